// The log: one line a request with ids, codes, sizes and times, and never a word of a person or a credential, at any level.
import { mock } from 'node:test'
import { pino } from 'pino'
import t from 'tap'
import { createLog, createDebugToggle } from '../../src/telemetry/logger.ts'
import { serializeError } from '../../src/telemetry/error-serializer.ts'
import { png } from '../helpers/images.ts'
import { boundary, multipartBody, jane, janeParts, RawConnection, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { startTestEmulator, startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const requestLines = ({ lines }: Service) => lines.filter(({ msg }) => msg === 'request')

t.test('one line a request, with all that the one on call asks for', async t => {
  const service = await startService(t)
  const reply = await sendJson(service.usersUrl, { user: jane }, { 'x-request-id': 'ticket-42' })
  t.equal(reply.status, 201)
  const [line, ...others] = requestLines(service)
  t.strictSame(others, [])
  t.match(line, {
    level: 'info',
    time: /^\d{4}-\d\d-\d\dT/,
    requestId: 'ticket-42',
    method: 'POST',
    route: '/companies/:company_id/users',
    status: 201,
    durationMs: Number,
    upstreamMs: Number,
    upstreamStatus: 201,
    bytesIn: JSON.stringify({ user: jane }).length,
    bytesOut: Number(reply.headers['content-length']),
    companyId: 101,
    procoreRequestId: reply.headers['procore-request-id'],
  })
  t.ok(Number(line?.['durationMs']) >= Number(line?.['upstreamMs']))
})

t.test('failures carry their code and outcome; theirs and ours are warnings', async t => {
  const service = await startService(t)
  await sendJson(service.usersUrl, { user: {} })
  service.emulator.faults.add({ kind: 'reset-before-body' })
  await sendJson(service.usersUrl, { user: jane })
  service.emulator.faults.add({ kind: 'reset-after-body' })
  await sendJson(service.usersUrl, { user: { ...jane, email_address: 'other@example.com' } })
  await send(`${service.url}/nowhere`, { method: 'GET' })
  await send(service.usersUrl, { method: 'DELETE' })
  t.match(requestLines(service), [
    { level: 'info', status: 422, code: 'validation_failed', errorCount: 2 },
    { level: 'warn', status: 502, code: 'procore_unreachable', outcome: 'unknown', lookUps: 2 },
    { level: 'info', status: 201, outcome: 'recovered', lookUps: 1 },
    { level: 'info', status: 404, code: 'not_found' },
    { level: 'info', status: 405, code: 'method_not_allowed' },
  ])
})

t.test('a caller who left has a line too', async t => {
  const service = await startService(t)
  const caller = new RawConnection(service.port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: 5000\r\n\r\n--${boundary}\r\n`)
  await new Promise(resolve => service.app.fastify.server.once('request', resolve))
  caller.socket.destroy()
  await waitUntil(() => requestLines(service).length > 0)
  t.match(requestLines(service), [{ status: 499, companyId: 101 }])
})

t.test('no personal data and no credential in any line, whatever goes wrong', async t => {
  const service = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '200', UPLOAD_IDLE_TIMEOUT_MS: '200' } })
  const { usersUrl, url, emulator, lines } = service
  const marked = { ...jane, last_name: 'Zzyzx-Doe', email_address: 'zzyzx@example.com', notes: 'zzyzx', avatar: 'zzyzx' }
  const { avatar: _, ...valid } = marked
  // Under a key that was used before, nothing but a look-up would be sent.
  let keys = 0
  const headers = () => ({ authorization: 'Bearer zzyzx-token', cookie: 'zzyzx=1', 'x-request-id': 'a b zzyzx', 'idempotency-key': `zzyzx-${keys++}` })
  await sendJson(usersUrl, { user: marked }, headers())
  await sendJson(usersUrl, '{"user":{"last_name":"zzyzx', headers())
  await sendJson(`${usersUrl}?zzyzx=zzyzx`, { zzyzx: 1 }, headers())
  await send(`${url}/zzyzx?zzyzx=1`, { method: 'GET', headers: headers() })
  await send(`${url}/companies/zzyzx/users`, { headers: headers() })
  for (const kind of ['reset-before-body', 'reset-after-body', 'garbage', 'truncate', 'silence', 'status'] as const) {
    emulator.faults.add({ kind, raw: 'HTTP/1.1 zzyzx\r\n\r\n', body: '{"message":"zzyzx"}', ...(kind === 'status' ? { status: 422 } : {}) })
    await sendJson(usersUrl, { user: valid }, headers())
  }
  emulator.faults.add({ kind: 'status', status: 401, body: '{"errors":"zzyzx"}', times: 2 })
  await sendJson(usersUrl, { user: valid }, headers())
  const parts = [...janeParts, { name: 'user[notes]', data: 'zzyzx' }, { name: 'user[zzyzx]', data: 'zzyzx' }]
  await sendMultipart(usersUrl, multipartBody([{ name: 'user[avatar]', filename: 'zzyzx.png', data: png(400_000) }, ...parts]), headers())
  await sendMultipart(usersUrl, multipartBody(parts).subarray(0, 200), headers())
  const raw = new RawConnection(service.port)
  raw.write('GET /zzyzx HTTP/1.1\r\nzzyzx zzyzx\r\n\r\n')
  await raw.readToEnd()
  t.ok(requestLines(service).length >= 13)
  const text = JSON.stringify(lines)
  const token = emulator.apiRequests[0]?.headers.authorization?.slice('Bearer '.length)
  t.notMatch(text, /zzyzx/i)
  t.notMatch(text, /demo-secret|demo-client|Bearer/)
  t.ok(token !== undefined && token !== '' && !text.includes(token))
})

t.test('an error in the log has its type, code, message, frames and causes, and nothing else that it carries', async t => {
  const cause = Object.assign(new Error('lost'), { code: 'ECONNRESET', data: 'zzyzx', request: { headers: { authorization: 'zzyzx' } }, headers: ['zzyzx'] })
  const error = new TypeError('outer', { cause })
  const described = serializeError(error)
  t.match(described, { type: 'TypeError', message: 'outer', stack: [/^at /], cause: { type: 'Error', code: 'ECONNRESET', message: 'lost' } })
  t.notMatch(JSON.stringify(described), /zzyzx/)
  let syntax: unknown
  try { JSON.parse('{"zzyzx": zzyzx') } catch (thrown) { syntax = thrown }
  t.notMatch(JSON.stringify(serializeError(syntax)), /zzyzx/, 'a SyntaxError quotes what it read')
  const circular: Error = new Error('round')
  circular.cause = circular
  t.ok(JSON.stringify(serializeError(circular)).length < 20_000)
})

t.test('requests and replies that are handed to the logger show nothing', async t => {
  const lines: string[] = []
  const log = createLog({ level: 'trace' }, { write: line => { lines.push(line) } })
  log.info({ req: { headers: { authorization: 'zzyzx' } }, res: { headers: 'zzyzx' } }, 'handed over')
  t.notMatch(lines.join(''), /zzyzx/)
  t.type(log.child, pino().child.constructor)
})

t.test('SIGUSR2 raises a running process to debug, once more begins anew, and it comes back by itself', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const clock = (ms: number) => mock.timers.tick(ms)
  const log = createLog({ level: 'warn' }, { write: () => {} })
  const raise = createDebugToggle(log, 600_000)
  raise()
  t.equal(log.level, 'debug')
  t.equal(log.child({}).isLevelEnabled('debug'), true, 'and the logs of requests to come')
  clock(500_000)
  raise()
  clock(500_000)
  t.equal(log.level, 'debug')
  clock(100_000)
  t.equal(log.level, 'warn')
  raise()
  t.equal(log.level, 'debug', 'as often as it is wanted')
  clock(600_000)
  const talkative = createLog({ level: 'trace' }, { write: () => {} })
  createDebugToggle(talkative, 600_000)()
  t.equal(talkative.level, 'trace', 'one that tells more is left alone')
})

t.test('SIGUSR2 in a process of its own: the next request has its exchange in the log', async t => {
  const emulator = await startTestEmulator(t)
  const program = spawnProgram(t, 'src/main.ts', serviceEnvironment(emulator))
  const users = `${await program.listening}/companies/101/users`
  t.equal((await sendJson(users, { user: jane })).status, 201)
  program.child.kill('SIGUSR2')
  await waitUntil(() => program.lines.some(line => line.includes('raised to debug')))
  t.equal((await sendJson(users, { user: { ...jane, email_address: 'b@example.com' } })).status, 201)
  await waitUntil(() => program.lines.filter(line => line.includes('"msg":"request"')).length === 2)
  const exchanges = program.lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'exchange')
  t.match(exchanges, [{ level: 'debug', method: 'POST', companyId: 101, status: 201, requestId: String, ms: Number }])
  t.notMatch(program.lines.join(), /example\.com|Doe/)
})
