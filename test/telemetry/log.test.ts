// The log has one line for each request, without personal data or credentials at any level.
import { mock } from 'node:test'
import { Type } from '@sinclair/typebox'
import { pino } from 'pino'
import t from 'tap'
import { createLog, createDebugToggle } from '../../src/telemetry/logger.ts'
import { serializeError } from '../../src/telemetry/error-serializer.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { png } from '../helpers/images.ts'
import {
  boundary, multipartBody, jane, janeParts, RawConnection, send, sendMultipart, sendJson
} from '../helpers/requests.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { startTestEmulator, startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const LineSchema = Type.Record(Type.String(), Type.Unknown())
const requestLines = ({ lines }: Service) => lines.filter(({ msg }) => msg === 'request')

t.test('each request has one line with its ids, sizes, times and statuses', async t => {
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

t.test('a failed request is logged with its code and outcome, and as a warning if it is a 5xx', async t => {
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
    { level: 'warn', status: 502, code: 'procore_unreachable', outcome: 'unknown', lookupCount: 2 },
    { level: 'info', status: 201, outcome: 'recovered', lookupCount: 1 },
    { level: 'info', status: 404, code: 'not_found' },
    { level: 'info', status: 405, code: 'method_not_allowed' },
  ])
})

for (const path of ['/livez', '/readyz', '/metrics']) {
  t.test(`a request for ${path} that succeeds is logged at level debug only`, async t => {
    const service = await startService(t)
    t.equal((await send(`${service.url}${path}`, { method: 'GET' })).status, 200)
    t.match(requestLines(service), [{ level: 'debug', route: path, status: 200 }])
  })
}

t.test('a request for /readyz that is answered 503 is logged as a warning', async t => {
  const service = await startService(t)
  service.app.inFlight.startDraining()
  t.equal((await send(`${service.url}/readyz`, { method: 'GET' })).status, 503)
  t.match(requestLines(service), [{ level: 'warn', route: '/readyz', status: 503 }])
})

t.test('a request whose caller disconnected is logged with status 499', async t => {
  const service = await startService(t)
  const caller = new RawConnection(service.port)
  caller.write([
    'POST /companies/101/users HTTP/1.1',
    'host: x',
    `content-type: multipart/form-data; boundary=${boundary}`,
    'content-length: 5000',
    '',
    `--${boundary}\r\n`,
  ].join('\r\n'))
  await new Promise(resolve => service.app.fastify.server.once('request', resolve))
  caller.socket.resetAndDestroy()
  await waitUntil(() => requestLines(service).length > 0)
  t.match(requestLines(service), [{ status: 499, companyId: 101 }])
})

t.test('no line has personal data or credentials, whichever error occurs', async t => {
  const service = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '200', UPLOAD_IDLE_TIMEOUT_MS: '200' } })
  const { usersUrl, url, emulator, lines } = service
  const valid = { ...jane, last_name: 'Zzyzx-Doe', email_address: 'zzyzx@example.com', notes: 'zzyzx' }
  // Each request needs a key of its own: with a used key only a lookup would be sent.
  let keyCount = 0
  const headers = () => ({
    authorization: 'Bearer zzyzx-token',
    cookie: 'zzyzx=1',
    'x-request-id': 'a b zzyzx',
    'idempotency-key': `zzyzx-${keyCount++}`,
  })
  await sendJson(usersUrl, { user: { ...valid, avatar: 'zzyzx' } }, headers())
  await sendJson(usersUrl, '{"user":{"last_name":"zzyzx', headers())
  await sendJson(`${usersUrl}?zzyzx=zzyzx`, { zzyzx: 1 }, headers())
  await send(`${url}/zzyzx?zzyzx=1`, { method: 'GET', headers: headers() })
  await send(`${url}/companies/zzyzx/users`, { headers: headers() })
  const faultKinds = ['reset-before-body', 'reset-after-body', 'garbage', 'truncate', 'silence', 'status'] as const
  for (const kind of faultKinds) {
    const response = { raw: 'HTTP/1.1 zzyzx\r\n\r\n', body: '{"message":"zzyzx"}' }
    emulator.faults.add({ kind, ...response, ...(kind === 'status' ? { status: 422 } : {}) })
    await sendJson(usersUrl, { user: valid }, headers())
  }
  emulator.faults.add({ kind: 'status', status: 401, body: '{"errors":"zzyzx"}', times: 2 })
  await sendJson(usersUrl, { user: valid }, headers())
  const parts = [...janeParts, { name: 'user[notes]', data: 'zzyzx' }, { name: 'user[zzyzx]', data: 'zzyzx' }]
  const avatar = { name: 'user[avatar]', filename: 'zzyzx.png', data: png(400_000) }
  await sendMultipart(usersUrl, multipartBody([avatar, ...parts]), headers())
  await sendMultipart(usersUrl, multipartBody(parts).subarray(0, 200), headers())
  const raw = new RawConnection(service.port)
  raw.write('GET /zzyzx HTTP/1.1\r\nzzyzx zzyzx\r\n\r\n')
  await raw.readToEnd()
  t.ok(requestLines(service).length >= 13)
  const text = JSON.stringify(lines)
  const accessToken = emulator.apiRequests[0]?.headers.authorization?.slice('Bearer '.length)
  t.notMatch(text, /zzyzx/i)
  t.notMatch(text, /demo-secret|demo-client|Bearer/)
  t.ok(accessToken !== undefined && accessToken !== '' && !text.includes(accessToken))
})

t.test('an error is logged with type, code, message, stack and causes, and no other property', async t => {
  const cause = Object.assign(new Error('lost'), {
    code: 'ECONNRESET',
    data: 'zzyzx',
    request: { headers: { authorization: 'zzyzx' } },
    headers: ['zzyzx'],
  })
  const error = new TypeError('outer', { cause })
  const serialized = serializeError(error)
  t.match(serialized, {
    type: 'TypeError',
    message: 'outer',
    stack: [/^at /],
    cause: { type: 'Error', code: 'ECONNRESET', message: 'lost' },
  })
  t.notMatch(JSON.stringify(serialized), /zzyzx/)
  let syntaxError: unknown
  try { JSON.parse('{"zzyzx": zzyzx') } catch (thrown: unknown) { syntaxError = thrown }
  t.match(serializeError(syntaxError), { type: 'SyntaxError' })
  t.notMatch(JSON.stringify(serializeError(syntaxError)), /zzyzx/, 'a SyntaxError quotes its input')
  const circular: Error = new Error('round')
  circular.cause = circular
  t.ok(JSON.stringify(serializeError(circular)).length < 20_000)
})

t.test('requests and replies that are passed to the logger are not written', async t => {
  const lines: string[] = []
  const log = createLog({ level: 'trace' }, { write: line => { lines.push(line) } })
  log.info({ req: { headers: { authorization: 'zzyzx' } }, res: { headers: 'zzyzx' } }, 'passed')
  t.match(lines, [/"msg":"passed"/])
  t.notMatch(lines.join(''), /zzyzx/)
  t.type(log.child, pino().child.constructor)
})

t.test('the debug toggle sets the log level to debug for a while, and again on a further call', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const advanceTime = (ms: number) => mock.timers.tick(ms)
  const log = createLog({ level: 'warn' }, { write: () => {} })
  const setDebugLevel = createDebugToggle(log, 600_000)
  setDebugLevel()
  t.equal(log.level, 'debug')
  t.equal(log.child({}).isLevelEnabled('debug'), true, 'child loggers that are created later follow')
  advanceTime(500_000)
  setDebugLevel()
  advanceTime(500_000)
  t.equal(log.level, 'debug')
  advanceTime(100_000)
  t.equal(log.level, 'warn')
  setDebugLevel()
  t.equal(log.level, 'debug', 'it can be used again')
  advanceTime(600_000)
  const traceLog = createLog({ level: 'trace' }, { write: () => {} })
  createDebugToggle(traceLog, 600_000)()
  t.equal(traceLog.level, 'trace', 'a lower level is not changed')
})

t.test('after SIGUSR2 a process logs the exchange with Procore of the next request', async t => {
  const emulator = await startTestEmulator(t)
  const program = spawnProgram(t, 'src/main.js', serviceEnvironment(emulator))
  const users = `${await program.listening}/companies/101/users`
  t.equal((await sendJson(users, { user: jane })).status, 201)
  program.child.kill('SIGUSR2')
  await waitUntil(() => program.lines.some(line => line.includes('log level set to debug')))
  t.equal((await sendJson(users, { user: { ...jane, email_address: 'b@example.com' } })).status, 201)
  await waitUntil(() => program.lines.filter(line => line.includes('"msg":"request"')).length === 2)
  const exchanges = program.lines
    .map(line => assertSchema(LineSchema, JSON.parse(line)))
    .filter(({ msg }) => msg === 'exchange')
  t.match(exchanges, [{ level: 'debug', method: 'POST', companyId: 101, status: 201, requestId: String, ms: Number }])
  t.notMatch(program.lines.join(), /example\.com|Doe/)
})
