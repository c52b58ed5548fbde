// Callers that stall, take too long or disconnect: their connection is closed, and nothing complete reaches Procore.
import { once } from 'node:events'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { avatarPart, createUserFormHead, createUserHead } from '../helpers/request-builders.ts'
import {
  boundary, multipartBody, multipartPart, jane, janeParts, RawConnection, sendJson,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const largeForm = multipartBody([avatarPart(png(2_000_000)), ...janeParts])

t.test('a caller that pauses beyond UPLOAD_IDLE_TIMEOUT_MS is disconnected', async t => {
  const { port, usersUrl, emulator } = await startService(t, { env: { UPLOAD_IDLE_TIMEOUT_MS: '150' } })
  await t.test('a pause in a JSON body ends in 408', async t => {
    const caller = new RawConnection(port)
    caller.write(createUserHead('content-type: application/json', 'content-length: 100')).write('{"user"')
    const response = await caller.readToEnd()
    t.match(response, /^HTTP\/1\.1 408 Request Timeout\r\n[^]*connection: close\r\n[^]*"code":"request_timeout"/i)
  })
  await t.test('a pause in a buffered form ends in 408', async t => {
    const caller = new RawConnection(port)
    caller.write(createUserFormHead(1000)).write(`--${boundary}\r\n`)
    t.match(await caller.readToEnd(), /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
    t.equal(emulator.apiRequests.length, 0)
  })
  await t.test('a pause in a streamed form ends in 408 and cuts off the request to Procore', async t => {
    const caller = new RawConnection(port)
    caller.write(createUserFormHead(largeForm.length)).write(largeForm.subarray(0, 1_000_000))
    const response = await caller.readToEnd()
    t.match(response, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"[^]*"outcome":"not_sent"/)
    t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [false])
  })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
})

t.test('a caller that sends without a pause beyond UPLOAD_TIMEOUT_MS is disconnected', async t => {
  const { port, emulator } = await startService(t, { env: { UPLOAD_TIMEOUT_MS: '400' } })
  const caller = new RawConnection(port)
  caller.write(createUserFormHead(1_000_000)).write(multipartPart({ name: 'user[last_name]', data: 'Doe' }))
  const timer = setInterval(() => caller.write(' '), 20)
  const response = await caller.readToEnd()
  clearInterval(timer)
  t.match(response, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a caller that disconnects during a streamed form cuts off the request to Procore', async t => {
  const { port, usersUrl, emulator } = await startService(t)
  const caller = new RawConnection(port)
  caller.write(createUserFormHead(largeForm.length)).write(largeForm.subarray(0, 1_500_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.socket.destroy()
  await once(caller.socket, 'close')
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  t.equal(emulator.apiRequests[0]?.complete, false)
  t.equal(emulator.api.directory.users.size, 1)
})

t.test('a caller that disconnects during a buffered form causes no request to Procore', async t => {
  const { port, emulator, lines, app } = await startService(t)
  const caller = new RawConnection(port)
  caller.write(createUserFormHead(1000)).write(multipartPart({ name: 'user[last_name]', data: 'Doe' }))
  await waitUntil(() => app.inFlight.count === 1)
  caller.socket.resetAndDestroy()
  await waitUntil(() => lines.some(({ status }) => status === 499))
  t.equal(emulator.apiRequests.length, 0)
})
