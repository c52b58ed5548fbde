// Callers who stall, take too long or leave: they are told, their connection is closed, and nothing complete goes upstream.
import { once } from 'node:events'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { boundary, multipartBody, multipartPart, jane, janeParts, RawConnection, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const formHead = (length: number) => `POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: ${length}\r\n\r\n`
const big = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(2_000_000) }, ...janeParts])

t.test('a caller who stalls in JSON, in a held form, in a streamed form', async t => {
  const { port, usersUrl, emulator } = await startService(t, { env: { UPLOAD_IDLE_TIMEOUT_MS: '150' } })
  const json = new RawConnection(port)
  json.write('POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"user"')
  t.match(await json.readToEnd(), /^HTTP\/1\.1 408 Request Timeout\r\n[^]*connection: close\r\n[^]*"code":"request_timeout"/i)
  const held = new RawConnection(port)
  held.write(formHead(1000)).write(`--${boundary}\r\n`)
  t.match(await held.readToEnd(), /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
  t.equal(emulator.apiRequests.length, 0)
  const streamed = new RawConnection(port)
  streamed.write(formHead(big.length)).write(big.subarray(0, 1_000_000))
  t.match(await streamed.readToEnd(), /^HTTP\/1\.1 408 [^]*"code":"request_timeout"[^]*"outcome":"not_sent"/)
  t.equal(emulator.apiRequests.length, 1)
  t.equal(emulator.apiRequests[0]?.complete, false)
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a caller who never pauses and never ends', async t => {
  const { port, emulator } = await startService(t, { env: { UPLOAD_TIMEOUT_MS: '400' } })
  const slow = new RawConnection(port)
  slow.write(formHead(1_000_000)).write(multipartPart({ name: 'user[last_name]', data: 'Doe' }))
  const timer = setInterval(() => slow.write(' '), 20)
  const answer = await slow.readToEnd()
  clearInterval(timer)
  t.match(answer, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a caller who leaves in the middle ends the upload upstream', async t => {
  const { port, usersUrl, emulator } = await startService(t)
  const leaving = new RawConnection(port)
  leaving.write(formHead(big.length)).write(big.subarray(0, 1_500_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  leaving.socket.destroy()
  await once(leaving.socket, 'close')
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal(emulator.apiRequests[0]?.complete, false)
  t.equal(emulator.api.directory.users.size, 1)
})

t.test('a caller who leaves before a held form is complete costs nothing upstream', async t => {
  const { port, emulator, lines } = await startService(t)
  const leaving = new RawConnection(port)
  leaving.write(formHead(1000)).write(multipartPart({ name: 'user[last_name]', data: 'Doe' }))
  await once(leaving.socket, 'connect')
  await new Promise(resolve => leaving.socket.write('', resolve))
  leaving.socket.destroy()
  await waitUntil(() => lines.some(({ status }) => status === 499))
  t.equal(emulator.apiRequests.length, 0)
})
