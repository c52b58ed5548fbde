// Traces: spans that a real receiver of OTLP reads, as parts of the gateway's trace; nothing of it loaded where it is off.
import { createServer } from 'node:net'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { startOtlpReceiver } from '../helpers/otlp-receiver.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { multipartBody, jane, janeParts, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const traceparent = `00-${traceId}-${parentId}-01`

t.test('a create is one span with its stages, in the trace of the gateway, which Procore is not told of', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  const reply = await sendJson(service.usersUrl, { user: jane }, { traceparent, tracestate: 'a=b', 'x-request-id': 'ticket-1' })
  t.equal(reply.status, 201)
  await service.app.fastify.close()
  const request = receiver.spans.find(({ kind }) => kind === 2)
  t.match(request, {
    traceId,
    parentSpanId: parentId,
    name: 'POST /companies/:company_id/users',
    isError: false,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/companies/:company_id/users',
      'http.response.status_code': 201,
      'procore_bff.request_id': 'ticket-1',
      'procore_bff.outcome': 'created',
      'procore_bff.company_id': 101,
      'procore_bff.procore_request_id': reply.headers['procore-request-id'],
    },
  })
  const stages = receiver.spans.filter(span => span !== request)
  t.strictSame(stages.map(({ name }) => name), ['validate', 'access_token', 'upstream'])
  t.match(stages[2], { kind: 3, attributes: { 'http.response.status_code': 201 } })
  for (const stage of stages) {
    t.match(stage, { traceId, parentSpanId: request?.spanId })
    t.ok(stage.startMs >= (request?.startMs ?? NaN) && stage.endMs <= (request?.endMs ?? NaN) && stage.startMs <= stage.endMs, stage.name)
  }
  t.match(receiver.resource, { 'service.name': 'procore-bff' })
  t.strictSame(receiver.paths, new Set(['/v1/traces']))
  t.strictSame(Object.keys(service.emulator.apiRequests[0]?.headers ?? {}).filter(name => name.startsWith('trace')), [])
  const ids = service.lines.filter(({ requestId }) => requestId === 'ticket-1')
  t.ok(ids.length >= 3, 'the request, its exchange and the audit trail')
  t.ok(ids.every(line => line['traceId'] === traceId))
})

t.test('what waited, what was repeated, what was looked up and what failed can be seen', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, emulator: { rateLimit: 2, rateWindowSeconds: 1 } })
  await sendJson(service.usersUrl, { user: jane })
  await sendJson(service.usersUrl, { user: { ...jane, email_address: 'b@example.com' } })
  await sendJson(service.usersUrl, { user: { ...jane, email_address: 'c@example.com' } })
  service.emulator.faults.add({ kind: 'reset-after-body' })
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', method: 'GET', rate: 1 })
  t.equal((await sendMultipart(service.usersUrl.replace('101', '102'), multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }]))).status, 502)
  t.equal((await sendJson(service.usersUrl, { user: {} })).status, 422)
  await service.app.fastify.close()
  const requests = receiver.spans.filter(({ kind }) => kind === 2)
  const stagesOf = (index: number) => receiver.spans.filter(({ parentSpanId }) => parentSpanId === requests[index]?.spanId)
  t.equal(new Set(requests.map(span => span.traceId)).size, 5, 'each has a trace of its own where no gateway names one')
  const wait = stagesOf(2).find(({ name }) => name === 'rate_limit')
  t.ok(wait !== undefined && wait.endMs > wait.startMs)
  t.match(requests[3], { isError: true, attributes: { 'error.type': 'procore_unreachable', 'procore_bff.outcome': 'unknown', 'procore_bff.body_mode': 'streamed' } })
  const upstream = stagesOf(3).filter(({ name }) => name === 'upstream')
  t.strictSame(upstream.map(({ attributes }) => attributes['http.response.status_code']), [undefined, 503, 503], 'the create and two look-ups')
  t.match(requests[4], { isError: false, attributes: { 'error.type': 'validation_failed' } })
  t.strictSame(stagesOf(4).map(({ name }) => name), ['validate'])
  t.notMatch(JSON.stringify(receiver.spans), /jane|Doe|example\.com/)
})

t.test('the stage that failed is there and says why, and a look-up can be told from the create', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, UPSTREAM_TIMEOUT_MS: '300', RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const { emulator, usersUrl, app } = service
  const create = async (company: number, code: string) => t.equal((await sendJson(usersUrl.replace('101', String(company)), { user: jane })).json['code'], code)
  for (const kind of ['reset-after-body', 'silence'] as const) emulator.faults.add({ kind, method: 'POST' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', method: 'GET', rate: 1 })
  await create(101, 'procore_unreachable')
  await create(102, 'procore_timeout')
  emulator.faults.clear()
  emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '30' } })
  await create(103, 'procore_rate_limited')
  await create(103, 'procore_rate_limited')
  emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  app.procore.accessTokens.invalidate(app.procore.accessTokens.current() ?? '')
  await create(104, 'procore_unavailable')
  await app.fastify.close()
  const stages = receiver.spans.filter(({ kind }) => kind === 2).map(({ spanId }) => receiver.spans.filter(({ parentSpanId }) => parentSpanId === spanId)
    .filter(({ name }) => name !== 'validate').map(({ name, isError, attributes }) => [name, attributes['http.request.method'], isError, attributes['error.type']]))
  const token = ['access_token', undefined, false, undefined]
  const lookUp = ['upstream', 'GET', true, '500']
  t.strictSame(stages, [
    [token, ['upstream', 'POST', true, 'ECONNRESET'], token, lookUp, token, lookUp],
    [token, ['upstream', 'POST', true, 'timeout'], token, lookUp, token, lookUp],
    [token, ['upstream', 'POST', false, undefined]],
    [token, ['rate_limit', undefined, true, 'procore_rate_limited']],
    [['access_token', undefined, true, 'procore_unavailable']],
  ])
})

t.test('a trace that the gateway does not record is not recorded here', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  await sendJson(service.usersUrl, { user: jane }, { traceparent: traceparent.replace(/01$/, '00') })
  await service.app.fastify.close()
  t.strictSame(receiver.spans, [])
  t.ok(service.lines.some(({ msg, traceId: id }) => msg === 'request' && id === traceId), 'the log names it all the same')
})

t.test('a receiver that is away or refuses is told of once and costs no request', async t => {
  const receiver = await startOtlpReceiver(t)
  receiver.status = 400
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/` } })
  t.equal((await sendJson(service.usersUrl, { user: jane })).status, 201)
  await service.app.fastify.close()
  t.strictSame(receiver.paths, new Set(['/v1/traces']))
  t.equal(service.lines.filter(({ msg }) => msg === 'traces cannot be sent').length, 1)
})

t.test('a receiver that takes connections and says nothing holds no stop up', async t => {
  let asked = 0
  const port = await listen(t, createServer(socket => {
    asked++
    socket.on('error', () => {})
  }))
  const emulator = await startTestEmulator(t)
  const program = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
  t.equal((await sendJson(`${await program.listening}/companies/101/users`, { user: jane })).status, 201)
  const startedAt = performance.now()
  program.child.kill('SIGTERM')
  t.strictSame(await program.exit, { code: 0, signal: null })
  t.equal(asked, 1, 'it was asked')
  const ms = performance.now() - startedAt
  t.ok(ms < limits.tracing.timeoutMs, `${ms} ms, and not the time that sending has while it runs`)
})

t.test('off: nothing of OpenTelemetry\'s machinery is loaded, and the log still names the gateway\'s trace', async t => {
  const emulator = await startTestEmulator(t)
  const directory = t.testdir({
    'tell.mjs': `import { registerHooks } from 'node:module'
    registerHooks({ load (url, context, next) { process.stderr.write(url + '\\n'); return next(url, context) } })`
  })
  const program = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), NODE_OPTIONS: `--import=${directory}/tell.mjs` })
  const url = await program.listening
  t.equal((await sendJson(`${url}/companies/101/users`, { user: jane }, { traceparent })).status, 201)
  await waitUntil(() => program.lines.some(line => line.includes('"msg":"request"')))
  t.match(program.lines.filter(line => line.includes('"msg":"request"')), [new RegExp(`"traceId":"${traceId}"`)])
  t.match(program.stderr(), /node_modules\/prom-client\//, 'what is loaded can be seen')
  // The face alone comes with prom-client, which may note traces beside its samples.
  t.notMatch(program.stderr(), /@opentelemetry\/(?!api\/)|observe\/traces/)
})

t.test('a traceparent that is not valid is none', async t => {
  const service = await startService(t)
  for (const value of ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', `00-${traceId}-0000000000000000-01`, `ff-${traceId}-${parentId}-01`, `00-${traceId}-${parentId}-01-more`, `00-${traceId.toUpperCase()}-${parentId}-01`, 'x']) {
    await sendJson(service.usersUrl, { user: {} }, { traceparent: value })
  }
  await sendJson(service.usersUrl, { user: {} }, { traceparent: `01-${traceId}-${parentId}-01-more` })
  t.strictSame(service.lines.filter(({ msg }) => msg === 'request').map(line => line['traceId']), [...Array(6).fill(undefined), traceId])
})
