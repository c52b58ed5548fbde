// Graceful shutdown of a real process that receives real signals.
import { once } from 'node:events'
import t from 'tap'
import { png } from '../helpers/images.ts'
import { spawnProgram, serviceEnvironment, type Program } from '../helpers/spawn-program.ts'
import { requestHead } from '../helpers/request-head.ts'
import { multipartBody, jane, janeParts, RawConnection, send, sendJson, boundary } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { isRunning, skip, startOnTerminal } from '../helpers/terminal.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for programs that start or end.
t.jobs = 3

const hasLine = ({ lines }: Program, message: string) => lines.some(line => line.includes(`"msg":"${message}"`))

/** Returns the fields of the lines `stopped`, of which a shutdown writes one. */
function stoppedLines ({ lines }: Program): unknown[] {
  return lines.filter(line => line.includes('"msg":"stopped"')).map((line): unknown => JSON.parse(line))
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} while only an idle keep-alive connection is open exits with status 0`, async t => {
    const emulator = await startTestEmulator(t)
    const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
    const url = await service.listening
    t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201)
    service.child.kill(signal)
    t.strictSame(await service.exit, { code: 0, signal: null })
    t.match(service.lines.at(-1), /"msg":"stopped"/, 'the last line')
    t.match(stoppedLines(service), [{ level: 'info', requestsLost: 0 }])
  })
}

t.test('the service stops when its terminal closes, after the request in flight', { skip }, async t => {
  const emulator = await startTestEmulator(t)
  const service = await startOnTerminal(t, 'src/main.js', serviceEnvironment(emulator))
  emulator.faults.add({ kind: 'delay', delayMs: 700 })
  const pending = sendJson(`${service.url}/companies/101/users`, { user: jane })
  await waitUntil(() => emulator.apiRequests.length === 1)
  const isReady = async () => (await send(`${service.url}/readyz`, { method: 'GET' })).status === 200
  service.hangUp()
  await waitUntil(async () => !await isReady().catch(() => false))
  // The shell of the terminal sends the signal again.
  process.kill(service.pid, 'SIGHUP')
  t.equal((await pending).status, 201)
  await waitUntil(() => !isRunning(service.pid))
})

t.test('a request in flight completes, and its connection closes', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
  const url = await service.listening
  emulator.faults.add({ kind: 'delay', delayMs: 700 })
  const pending = sendJson(`${url}/companies/101/users`, { user: jane })
  await waitUntil(() => emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  const response = await pending
  t.equal(response.status, 201)
  t.equal(response.headers['connection'], 'close')
  t.equal((await service.exit).code, 0)
  t.match(stoppedLines(service), [{ level: 'info', requestsLost: 0 }])
})

t.test('an upload in flight completes', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
  const url = new URL(await service.listening)
  const body = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(2_000_000) }, ...janeParts])
  const upload = new RawConnection(Number(url.port))
  upload.write(requestHead('/companies/101/users', {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': body.length,
  }))
  upload.write(body.subarray(0, 1_000_000))
  await waitUntil(() => emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  await waitUntil(() => hasLine(service, 'stopping'))
  upload.write(body.subarray(1_000_000))
  t.match(await upload.readToEnd(), /^HTTP\/1\.1 201 Created\r\n[^]*connection: close\r\n/i)
  t.equal((await service.exit).code, 0)
})

t.test('with a drain delay the service is not ready but still serves; afterwards it refuses connections', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), DRAIN_DELAY_MS: '1500' })
  const url = await service.listening
  await waitUntil(() => hasLine(service, 'access token renewed'))
  t.equal((await send(`${url}/readyz`, { method: 'GET' })).status, 200)
  service.child.kill('SIGTERM')
  await waitUntil(() => hasLine(service, 'stopping'))
  const readiness = await send(`${url}/readyz`, { method: 'GET' })
  t.match(readiness, { status: 503, json: { status: 'stopping' }, headers: { connection: 'close' } })
  t.equal((await sendJson(`${url}/companies/101/users`, { user: jane })).status, 201, 'still served')
  t.equal((await service.exit).code, 0)
  await t.rejects(send(`${url}/livez`, { method: 'GET' }), { code: 'ECONNREFUSED' })
})

t.test('when the grace period ends, pending requests are answered with stopping and the exit status is 1', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), SHUTDOWN_GRACE_MS: '300' })
  const url = await service.listening
  emulator.faults.add({ kind: 'silence', times: 2 })
  const pending = [101, 102].map(id => sendJson(`${url}/companies/${id}/users`, { user: jane }))
  await waitUntil(() => emulator.apiRequests.filter(({ complete }) => complete).length === 2)
  service.child.kill('SIGTERM')
  for (const { json } of await Promise.all(pending)) {
    t.match(json, { status: 503, code: 'stopping', outcome: 'unknown' })
  }
  t.equal((await service.exit).code, 1)
  t.match(stoppedLines(service), [{ level: 'error', requestsLost: 2 }])
})

t.test('a second signal exits at once with status 1', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
  const url = await service.listening
  emulator.faults.add({ kind: 'silence' })
  const pending = sendJson(`${url}/companies/101/users`, { user: jane })
  const disconnected = t.rejects(pending)
  await waitUntil(() => emulator.apiRequests.length === 1)
  service.child.kill('SIGTERM')
  await waitUntil(() => hasLine(service, 'stopping'))
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 1)
  await disconnected
})

t.test('a connection without requests does not delay the shutdown', async t => {
  const emulator = await startTestEmulator(t)
  const service = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
  const { port } = new URL(await service.listening)
  const idle = new RawConnection(Number(port))
  await once(idle.socket, 'connect')
  service.child.kill('SIGTERM')
  t.equal((await service.exit).code, 0)
})
