// Callers that stall, take too long or disconnect: their connection is closed, and nothing complete reaches Procore.
import { once } from 'node:events'
import { createServer } from 'node:http'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { avatarPart, createUserFormHead, createUserHead } from '../helpers/request-builders.ts'
import {
  boundary, multipartBody, multipartPart, jane, janeParts, RawConnection, sendJson, sendMultipart,
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

t.test('the average rate of a body', async t => {
  const { port } = await startService(t, {
    adjustConfig: config => ({ ...config, body: { ...config.body, minBytesPerSecond: 1024, rateWindowMs: 500 } }),
  })
  const bodies = [
    { kind: 'a JSON body', head: createUserHead('content-type: application/json', 'content-length: 2000'), start: '{' },
    { kind: 'a form', head: createUserFormHead(2000), start: `--${boundary}\r\n` },
  ]
  for (const { kind, head, start } of bodies) {
    await t.test(`${kind} that arrives below the lowest rate, without a long pause, ends in 408`, async t => {
      const caller = new RawConnection(port).write(head).write(start)
      const timer = setInterval(() => caller.write(' '), 10)
      const response = await caller.readToEnd()
      clearInterval(timer)
      t.match(response, /^HTTP\/1\.1 408 [^]*connection: close\r\n[^]*"code":"request_timeout"/i)
    })
  }
  await t.test('a body that arrives slowly, but not below the lowest rate, is accepted', async t => {
    const body = JSON.stringify({ user: jane }).padEnd(10_000)
    const caller = new RawConnection(port)
    caller.write(createUserHead('content-type: application/json', `content-length: ${body.length}`))
    let sent = 0
    const timer = setInterval(() => {
      caller.write(body.slice(sent, sent + 100))
      sent += 100
    }, 10)
    t.match(await caller.readUntil('\r\n\r\n{'), /^HTTP\/1\.1 201 /)
    clearInterval(timer)
    caller.socket.destroy()
  })
})

t.test('time in which the service waits for Procore does not count for the rate of a body', async t => {
  const form = multipartBody([avatarPart(png(30_000_000)), ...janeParts])
  const procore = createServer((request, response) => {
    setTimeout(() => request.resume(), 1500)
    request.on('end', () => response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}'))
  })
  const { usersUrl } = await startService(t, {
    env: { PROCORE_API_URL: `http://127.0.0.1:${await listen(t, procore)}`, AVATAR_MAX_BYTES: '40000000' },
    adjustConfig: config => ({ ...config, body: { ...config.body, minBytesPerSecond: 1024, rateWindowMs: 300 } }),
  })
  t.equal((await sendMultipart(usersUrl, form)).status, 201)
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
