// Stopping, with a real process and real signals: what runs ends well within the grace, and the exit status tells whether it did.
import { once } from 'node:events'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { spawnProgram, serviceEnvironment, type Program } from '../helpers/spawn-program.ts'
import { multipartBody, jane, janeParts, RawConnection, send, sendJson, boundary } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const hasLine = ({ lines }: Program, message: string) => lines.some(line => line.includes(`"msg":"${message}"`))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} while idle, with a keep-alive connection open`, async t => {
    const emulator = await startTestEmulator(t)
    const service = spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator))
    const url = await service.listening
    t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201)
    service.child.kill(signal)
    t.strictSame(await service.exit, { code: 0, signal: null })
  })
}

t.test('a request that is under way ends well, and its connection is closed', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator))
  const url = await service.listening
  emulator.faults.add({ kind: 'delay', delayMs: 700 })
  const pending = sendJson(`${url}/companies/101/users`, { user: jane })
  await waitUntil(() => emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  const reply = await pending
  t.equal(reply.status, 201)
  t.equal(reply.headers['connection'], 'close')
  t.equal((await service.exit).code, 0)
})

t.test('an upload that is under way may go on to its end', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator))
  const url = new URL(await service.listening)
  const body = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(2_000_000) }, ...janeParts])
  const upload = new RawConnection(Number(url.port))
  upload.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: ${body.length}\r\n\r\n`).write(body.subarray(0, 1_000_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  await waitUntil(() => hasLine(service, 'stopping'))
  upload.write(body.subarray(1_000_000))
  t.match(await upload.readToEnd(), /^HTTP\/1\.1 201 Created\r\n[^]*connection: close\r\n/i)
  t.equal((await service.exit).code, 0)
})

t.test('new connections are refused at once, unless there is a drain delay, in which it is not ready', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), DRAIN_DELAY_MS: '600' })
  const url = await service.listening
  await waitUntil(() => hasLine(service, 'access token renewed'))
  t.equal((await send(`${url}/readyz`, { method: 'GET' })).status, 200)
  service.child.kill('SIGTERM')
  await waitUntil(() => hasLine(service, 'stopping'))
  const ready = await send(`${url}/readyz`, { method: 'GET' })
  t.match(ready, { status: 503, json: { status: 'stopping' }, headers: { connection: 'close' } })
  t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201, 'still served')
  t.equal((await service.exit).code, 0)
  await t.rejects(send(`${url}/livez`, { method: 'GET' }), { code: 'ECONNREFUSED' })
})

t.test('when the grace runs out, what still waits is told so, and the exit status is 1', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), SHUTDOWN_GRACE_MS: '300' })
  const url = await service.listening
  emulator.faults.add({ kind: 'silence' })
  const pending = sendJson(`${url}/companies/101/users`, { user: jane })
  await waitUntil(() => emulator.apiRequests[0]?.complete === true)
  service.child.kill('SIGTERM')
  const reply = await pending
  t.match(reply.json, { status: 503, code: 'stopping', outcome: 'unknown' })
  t.equal((await service.exit).code, 1)
})

t.test('a second signal ends all patience: exit status 1', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator))
  const url = await service.listening
  emulator.faults.add({ kind: 'silence' })
  const pending = sendJson(`${url}/companies/101/users`, { user: jane })
  const lost = t.rejects(pending)
  await waitUntil(() => emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  await waitUntil(() => hasLine(service, 'stopping'))
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 1)
  await lost
})

t.test('a connection on which nothing was ever asked does not hold it up', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator))
  const { port } = new URL(await service.listening)
  const idle = new RawConnection(Number(port))
  await once(idle.socket, 'connect')
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
})
