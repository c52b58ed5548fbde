// How much one caller may send: requests per minute and uploads at a time, counted by subject or by an address that a proxy vouches for.
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { boundary, multipartBody, jane, janeParts, RawConnection, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const body = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }, ...janeParts])
const head = (company: number, headers: Record<string, string> = {}) => `POST /companies/${company}/users HTTP/1.1\r\nhost: x\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}content-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: ${body.length}\r\n\r\n`

t.test('requests per minute, by subject', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: { ...issuer.env, CALLER_RATE_PER_MINUTE: '3' } })
  const [anna, ben] = [bearerHeader(await issuer.sign({ sub: 'anna' })), bearerHeader(await issuer.sign({ sub: 'ben' }))]
  for (let left = 2; left >= 0; left--) {
    const reply = await sendJson(usersUrl, { user: {} }, anna)
    t.match(reply, { status: 422, headers: { 'ratelimit-limit': '3', 'ratelimit-remaining': String(left), 'ratelimit-reset': /^\d+$/ } })
  }
  const refused = await sendJson(usersUrl, { user: jane }, bearerHeader(await issuer.sign({ sub: 'anna', jti: 'another token' })))
  t.match(refused, { status: 429, json: { code: 'too_many_requests' }, headers: { 'ratelimit-remaining': '0', 'retry-after': /^\d+$/ } })
  t.equal(refused.json['outcome'], undefined)
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendJson(usersUrl, { user: jane }, ben)).status, 201)
})

t.test('requests per minute, by address, only where a proxy is trusted; 0 is no limit', async t => {
  const from = (address: string) => ({ 'x-forwarded-for': address })
  const open = await startService(t, { env: { CALLER_RATE_PER_MINUTE: '1' } })
  for (let index = 0; index < 3; index++) t.equal((await sendJson(open.usersUrl, { user: {} }, from('10.0.0.1'))).status, 422, 'callers can not be told apart')
  const { usersUrl } = await startService(t, { env: { CALLER_RATE_PER_MINUTE: '1', TRUSTED_PROXIES: '127.0.0.1, 10.1.0.0/16' } })
  t.equal((await sendJson(usersUrl, { user: {} }, from('192.0.2.1'))).status, 422)
  t.equal((await sendJson(usersUrl, { user: {} }, from('192.0.2.1'))).status, 429)
  t.equal((await sendJson(usersUrl, { user: {} }, from('192.0.2.9, 10.1.2.3'))).status, 422)
  t.equal((await sendJson(usersUrl, { user: {} }, from('192.0.2.77, 192.0.2.9'))).status, 429, 'what stands before the first that is not trusted is hearsay')
  t.equal((await sendJson(usersUrl, { user: {} }, from('2001:db8::1'))).status, 422)
  t.equal((await sendJson(usersUrl, { user: {} }, from('2001:db8::2'))).status, 429, 'one network of IPv6 is one caller')
  const unlimited = await startService(t, { env: { CALLER_RATE_PER_MINUTE: '0', TRUSTED_PROXIES: '127.0.0.1' } })
  for (let index = 0; index < 3; index++) t.equal((await sendJson(unlimited.usersUrl, { user: {} })).headers['ratelimit-limit'], undefined)
})

t.test('uploads of one caller at a time', async t => {
  const issuer = await startIssuer(t)
  const { port, emulator } = await startService(t, { env: { ...issuer.env, CALLER_CONCURRENT_UPLOADS: '1' } })
  const [anna, ben] = [bearerHeader(await issuer.sign({ sub: 'anna' })), bearerHeader(await issuer.sign({ sub: 'ben' }))]
  const first = new RawConnection(port)
  first.write(head(101, anna)).write(body.subarray(0, 900_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  const second = new RawConnection(port)
  second.write(head(102, { ...anna, expect: '100-continue' }))
  t.match(await second.readToEnd(), /^HTTP\/1\.1 429 [^]*"code":"too_many_requests"/)
  const other = new RawConnection(port)
  other.write(head(103, ben)).write(body)
  t.match(await other.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
  first.write(body.subarray(900_000))
  t.match(await first.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
  first.write(head(104, anna)).write(body)
  t.match(await first.readUntil('HTTP/1.1 201 Created\r\n', 2), /201 Created/, 'the place is free again')
  for (const { socket } of [first, other]) socket.destroy()
})

t.test('slow uploads up to every limit leave JSON creates their normal speed', async t => {
  const { port, usersUrl, emulator } = await startService(t, { env: { MAX_CONCURRENT_UPLOADS: '64', UPSTREAM_CONNECTIONS: '128', CALLER_RATE_PER_MINUTE: '0' } })
  const medianMs = async (from: number) => {
    const times: number[] = []
    for (let index = 0; index < 40; index++) {
      const startedAt = performance.now()
      t.equal((await sendJson(usersUrl.replace('101', String(from + index)), { user: jane })).status, 201)
      times.push(performance.now() - startedAt)
    }
    return times.sort((a, b) => a - b)[20] ?? NaN
  }
  await medianMs(1000)
  const before = await medianMs(2000)
  const uploads = Array.from({ length: 64 }, (_, index) => new RawConnection(port).write(head(5000 + index)).write(body.subarray(0, 400_000)))
  await waitUntil(() => emulator.apiRequests.filter(({ complete }) => !complete).length === 64)
  const dripping = setInterval(() => { for (const upload of uploads) upload.write(Buffer.alloc(1)) }, 50)
  const during = await medianMs(3000)
  clearInterval(dripping)
  for (const { socket } of uploads) socket.destroy()
  t.ok(during < before * 5 + 5, `${during} ms against ${before} ms`)
})
