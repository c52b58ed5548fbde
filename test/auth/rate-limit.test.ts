// Limits per caller: requests per minute and concurrent uploads, by JWT subject or by the address that a proxy reports.
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { requestHead } from '../helpers/request-head.ts'
import {
  boundary, multipartBody, jane, janeParts, RawConnection, sendJson, sendMultipart,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const avatarPart = { name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) }
const body = multipartBody([avatarPart, ...janeParts])
const uploadHead = (company: number, headers: Record<string, string> = {}) =>
  requestHead(`/companies/${company}/users`, {
    ...headers,
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': body.length,
  })

t.test('a JWT subject that exceeds its requests per minute is answered with 429, other subjects are not', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, emulator } = await startService(t, { env: { ...issuer.env, CALLER_RATE_PER_MINUTE: '3' } })
  const anna = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const ben = bearerHeader(await issuer.sign({ sub: 'ben' }))
  for (let remaining = 2; remaining >= 0; remaining--) {
    t.match(await sendJson(usersUrl, { user: {} }, anna), {
      status: 422,
      headers: {
        'ratelimit-limit': '3',
        'ratelimit-remaining': String(remaining),
        'ratelimit-reset': /^\d+$/,
        'ratelimit-policy': '"default";q=3;w=60',
        ratelimit: new RegExp(`^"default";r=${remaining};t=\\d+$`),
      },
    })
  }
  const annaWithAnotherJwt = bearerHeader(await issuer.sign({ sub: 'anna', jti: 'another token' }))
  const rejected = await sendJson(usersUrl, { user: jane }, annaWithAnotherJwt)
  t.match(rejected, {
    status: 429,
    json: { code: 'too_many_requests' },
    headers: { 'ratelimit-remaining': '0', ratelimit: /^"default";r=0;t=\d+$/, 'retry-after': /^\d+$/ },
  })
  t.equal(rejected.json['outcome'], undefined)
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendJson(usersUrl, { user: jane }, ben)).status, 201)
})

const forwardedFor = (addresses: string) => ({ 'x-forwarded-for': addresses })

t.test('without a trusted proxy, addresses are not limited', async t => {
  const { usersUrl } = await startService(t, { env: { CALLER_RATE_PER_MINUTE: '1' } })
  for (let index = 0; index < 3; index++) {
    t.equal((await sendJson(usersUrl, { user: {} }, forwardedFor('10.0.0.1'))).status, 422)
  }
})

t.test('behind a trusted proxy, requests are limited by address', async t => {
  const rows = [
    { name: 'the same address', first: '192.0.2.1', second: '192.0.2.1' },
    {
      name: 'the same last untrusted address, whatever precedes it',
      first: '192.0.2.9, 10.1.2.3',
      second: '192.0.2.77, 192.0.2.9',
    },
    { name: 'the same address with different ports', first: '192.0.2.20:4711', second: '192.0.2.20:4712' },
    { name: 'the same address with and without a port', first: '192.0.2.21:4711', second: '192.0.2.21' },
    { name: 'the same IPv6 address in brackets with a port', first: '[2001:db8:1::1]:1', second: '[2001:db8:1::1]:2' },
    { name: 'the same address beside entries that are no address', first: 'unknown, 192.0.2.22', second: '192.0.2.22' },
    { name: 'no address, so that of the proxy counts', first: 'unknown', second: '_hidden' },
    { name: 'the same IPv6 network', first: '2001:db8::1', second: '2001:db8::2' },
  ]
  const { usersUrl } = await startService(t, {
    env: { CALLER_RATE_PER_MINUTE: '1', TRUSTED_PROXIES: '127.0.0.1, 10.1.0.0/16' },
  })
  for (const { name, first, second } of rows) {
    await t.test(name, async t => {
      t.equal((await sendJson(usersUrl, { user: {} }, forwardedFor(first))).status, 422)
      t.equal((await sendJson(usersUrl, { user: {} }, forwardedFor(second))).status, 429)
    })
  }
})

t.test('CALLER_RATE_PER_MINUTE=0 disables the limit', async t => {
  const { usersUrl } = await startService(t, {
    env: { CALLER_RATE_PER_MINUTE: '0', TRUSTED_PROXIES: '127.0.0.1' },
  })
  for (let index = 0; index < 3; index++) {
    t.equal((await sendJson(usersUrl, { user: {} })).headers['ratelimit-limit'], undefined)
  }
})

t.test('a caller that exceeds its concurrent uploads is answered with 429, other callers are not', async t => {
  const issuer = await startIssuer(t)
  const { port, emulator } = await startService(t, { env: { ...issuer.env, CALLER_CONCURRENT_UPLOADS: '1' } })
  const anna = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const ben = bearerHeader(await issuer.sign({ sub: 'ben' }))
  const first = new RawConnection(port)
  first.write(uploadHead(101, anna)).write(body.subarray(0, 900_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  const second = new RawConnection(port)
  second.write(uploadHead(102, { ...anna, expect: '100-continue' }))
  t.match(await second.readToEnd(), /^HTTP\/1\.1 429 [^]*"code":"too_many_requests"/)
  const other = new RawConnection(port)
  other.write(uploadHead(103, ben)).write(body)
  t.match(await other.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
  first.write(body.subarray(900_000))
  t.match(await first.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
  first.write(uploadHead(104, anna)).write(body)
  t.match(await first.readUntil('HTTP/1.1 201 Created\r\n', 2), /201 Created/, 'an upload that ended is not counted')
  for (const { socket } of [first, other]) socket.destroy()
})

t.test('small forms without Content-Length are not counted as uploads', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl } = await startService(t, { env: { ...issuer.env, CALLER_CONCURRENT_UPLOADS: '1' } })
  const anna = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const responses = await Promise.all(Array.from({ length: 30 }, (_, index) => {
    const parts = multipartBody(janeParts)
    const companyUrl = usersUrl.replace('/101/', `/${1000 + index}/`)
    return sendMultipart(companyUrl, (async function * () { yield parts })(), anna)
  }))
  t.ok(responses.every(({ status }) => status === 201))
})

t.test('slow uploads up to all limits do not slow down JSON creates', async t => {
  const { port, usersUrl, emulator } = await startService(t, {
    env: { MAX_CONCURRENT_UPLOADS: '64', UPSTREAM_CONNECTIONS: '128', CALLER_RATE_PER_MINUTE: '0' },
  })
  const medianMs = async (firstCompany: number) => {
    const times: number[] = []
    for (let index = 0; index < 40; index++) {
      const startedAt = performance.now()
      const companyUrl = usersUrl.replace('/101/', `/${firstCompany + index}/`)
      t.equal((await sendJson(companyUrl, { user: jane })).status, 201)
      times.push(performance.now() - startedAt)
    }
    return times.sort((a, b) => a - b)[20] ?? NaN
  }
  await medianMs(1000)
  const beforeMs = await medianMs(2000)
  const uploads = Array.from({ length: 64 }, (_, index) => {
    return new RawConnection(port).write(uploadHead(5000 + index)).write(body.subarray(0, 400_000))
  })
  await waitUntil(() => emulator.apiRequests.filter(({ complete }) => !complete).length === 64)
  const dripTimer = setInterval(() => { for (const upload of uploads) upload.write(Buffer.alloc(1)) }, 50)
  const duringMs = await medianMs(3000)
  clearInterval(dripTimer)
  for (const { socket } of uploads) socket.destroy()
  t.ok(duringMs < beforeMs * 5 + 5, `${duringMs} ms against ${beforeMs} ms`)
})
