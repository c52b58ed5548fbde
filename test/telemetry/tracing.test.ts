// Tracing sends spans to an OTLP receiver, in the trace of the gateway. OpenTelemetry is not loaded if tracing is off.
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { version } from '../../src/config/product.ts'
import { startFileServer } from '../helpers/file-server.ts'
import { png } from '../helpers/images.ts'
import { csvOf, sendImport } from '../helpers/imports.ts'
import { listen } from '../helpers/listen.ts'
import { startOtlpReceiver } from '../helpers/otlp-receiver.ts'
import { get } from '../helpers/request-builders.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { requestHead } from '../helpers/request-head.ts'
import {
  multipartBody, jane, janeParts, RawConnection, send, sendMultipart, sendJson
} from '../helpers/requests.ts'
import { startTestEmulator, startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for late responses and for programs that start or end.
t.jobs = 3

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const traceparent = `00-${traceId}-${parentId}-01`

t.test('a create is a span with child spans in the gateway\'s trace, which is not sent to Procore', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  const response = await sendJson(service.usersUrl, { user: jane }, {
    traceparent, tracestate: 'a=b', 'x-request-id': 'ticket-1',
  })
  t.equal(response.status, 201)
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
      'http.request.method_original': undefined,
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      'error.type': undefined,
      'procore_bff.code': undefined,
      'procore_bff.request_id': 'ticket-1',
      'procore_bff.outcome': 'created',
      'procore_bff.company_id': 101,
      'procore_bff.procore_request_id': response.headers['procore-request-id'],
    },
  })
  const childSpans = receiver.spans.filter(span => span !== request)
  t.strictSame(childSpans.map(({ name }) => name), ['validate', 'access_token', 'POST'])
  const { origin, hostname, port } = new URL(service.emulator.url)
  t.match(childSpans[2], {
    kind: 3,
    attributes: {
      'http.request.method': 'POST',
      'http.request.resend_count': undefined,
      'http.response.status_code': 201,
      'server.address': hostname,
      'server.port': Number(port),
      'url.full': `${origin}/rest/v1.3/companies/101/users`,
    },
  })
  const { startMs = NaN, endMs = NaN } = request ?? {}
  for (const span of childSpans) {
    t.match(span, { traceId, parentSpanId: request?.spanId })
    t.ok(startMs <= span.startMs && span.startMs <= span.endMs && span.endMs <= endMs, span.name)
  }
  t.match(receiver.resource, {
    'service.name': 'procore-bff',
    'service.version': version,
    'service.instance.id': /^[0-9a-f-]{36}$/,
    'telemetry.sdk.language': 'nodejs',
  })
  t.strictSame(receiver.paths, new Set(['/v1/traces']))
  const [apiRequest] = service.emulator.apiRequests
  t.ok(apiRequest !== undefined)
  t.strictSame(Object.keys(apiRequest?.headers ?? {}).filter(name => name.startsWith('trace')), [])
  const lines = service.lines.filter(({ requestId }) => requestId === 'ticket-1')
  t.ok(lines.length >= 3, 'the request, its exchange and the audit trail')
  t.ok(lines.every(line => line['traceId'] === traceId))
})

t.test('each request for a file is a span with the kind of its host, and without its URL', async t => {
  const receiver = await startOtlpReceiver(t)
  const storage = createHttpServer((_request, response) => { response.end(png()) })
  const storageUrl = `http://127.0.0.1:${await listen(t, storage)}/stored?signature=secret`
  const service = await startFileServer(t, '/avatar', (_request, response) => {
    response.writeHead(302, { location: storageUrl }).end()
  }, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, PROCORE_FILE_ALLOW_LOOPBACK: 'true' } })
  t.equal((await get(service.avatarUrl)).status, 200)
  service.user['avatar'] = 'https://10.0.0.1/stored?signature=secret'
  t.equal((await get(service.avatarUrl)).status, 502)
  await service.app.fastify.close()
  t.match(receiver.spans.filter(({ attributes }) => attributes['procore_bff.file_host'] !== undefined), [
    {
      name: 'GET',
      kind: 3,
      attributes: {
        'http.response.status_code': 302, 'procore_bff.file_host': 'api', 'server.address': '127.0.0.1',
      },
    },
    {
      kind: 3,
      attributes: {
        'http.response.status_code': 200, 'procore_bff.file_host': 'other', 'server.address': undefined,
      },
    },
    { kind: 3, attributes: { 'error.type': 'ForbiddenAddressError', 'procore_bff.file_host': 'other' } },
  ])
  t.notMatch(JSON.stringify(receiver.spans), /stored|secret/)
})

t.test('spans show waits, lookups and failures', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
    emulator: { rateLimit: 2, rateWindowSeconds: 1 },
  })
  await sendJson(service.usersUrl, { user: jane })
  await sendJson(service.usersUrl, { user: { ...jane, email_address: 'b@example.com' } })
  await sendJson(service.usersUrl, { user: { ...jane, email_address: 'c@example.com' } })
  service.emulator.faults.add({ kind: 'reset-after-body' })
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', method: 'GET', rate: 1 })
  const form = multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }])
  t.equal((await sendMultipart(service.usersUrl.replace('/101/', '/102/'), form)).status, 502)
  t.equal((await sendJson(service.usersUrl, { user: {} })).status, 422)
  await service.app.fastify.close()
  const requests = receiver.spans.filter(({ kind }) => kind === 2)
  const childSpansOf = (index: number) => {
    return receiver.spans.filter(({ parentSpanId }) => parentSpanId === requests[index]?.spanId)
  }
  t.equal(new Set(requests.map(span => span.traceId)).size, 5, 'without traceparent each request has its own trace')
  const wait = childSpansOf(2).find(({ name }) => name === 'rate_limit')
  t.ok(wait !== undefined && wait.endMs > wait.startMs)
  t.match(requests[3], {
    isError: true,
    attributes: {
      'error.type': 'procore_unreachable',
      'procore_bff.outcome': 'unknown',
      'procore_bff.body_mode': 'streamed',
    },
  })
  const upstream = childSpansOf(3).filter(({ kind }) => kind === 3)
  const upstreamStatuses = upstream.map(({ attributes }) => attributes['http.response.status_code'])
  t.strictSame(upstreamStatuses, [undefined, 503, 503], 'the create and two lookups')
  t.match(requests[4], {
    isError: false, attributes: { 'error.type': undefined, 'procore_bff.code': 'validation_failed' },
  })
  t.strictSame(childSpansOf(4).map(({ name }) => name), ['validate'])
  t.notMatch(JSON.stringify(receiver.spans), /jane|Doe|example\.com/)
})

t.test('a failed child span has its error type, and the method distinguishes lookup and create', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      UPSTREAM_TIMEOUT_MS: '300',
      RATE_LIMIT_MAX_WAIT_MS: '0',
    },
  })
  const { emulator, usersUrl, app } = service
  const create = async (companyId: number, code: string) => {
    const { json } = await sendJson(usersUrl.replace('/101/', `/${companyId}/`), { user: jane })
    t.equal(json['code'], code)
  }
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
  const requests = receiver.spans.filter(({ kind }) => kind === 2)
  const childSpans = requests.map(({ spanId }) => receiver.spans
    .filter(({ name, parentSpanId }) => parentSpanId === spanId && name !== 'validate')
    .map(({ name, isError, attributes }) => {
      return [name, attributes['http.request.method'], isError, attributes['error.type']]
    }))
  const accessToken = ['access_token', undefined, false, undefined]
  const lookup = ['GET', 'GET', true, '500']
  t.strictSame(childSpans, [
    [accessToken, ['POST', 'POST', true, 'ECONNRESET'], accessToken, lookup, accessToken, lookup],
    [accessToken, ['POST', 'POST', true, 'timeout'], accessToken, lookup, accessToken, lookup],
    [accessToken, ['POST', 'POST', true, '429']],
    [accessToken, ['rate_limit', undefined, true, 'procore_rate_limited']],
    [['access_token', undefined, true, 'procore_unavailable']],
  ])
})

t.test('a request that is sent again has a resend count, and no query or text of a caller is in a span', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  service.emulator.faults.add({ kind: 'status', status: 401, body: '' })
  const headers = { 'user-agent': 'caller-text', host: 'caller-text.local' }
  t.equal((await sendJson(service.usersUrl, { user: jane }, headers)).status, 201)
  t.equal((await get(`${service.usersUrl}?filters%5Bsearch%5D=caller-text`)).status, 200)
  t.equal((await get(`${service.url}/caller-text`)).status, 404)
  t.equal((await send(`${service.url}/livez`, { method: 'PROPFIND' })).status, 405)
  await service.app.fastify.close()
  const exchanges = receiver.spans.filter(({ kind }) => kind === 3)
  t.strictSame(exchanges.map(({ attributes }) => [
    attributes['http.response.status_code'], attributes['http.request.resend_count'], attributes['error.type'],
  ]), [[401, undefined, '401'], [201, 1, undefined], [200, undefined, undefined]])
  t.match(receiver.spans.filter(({ kind }) => kind === 2).slice(-2), [
    { name: 'GET', attributes: { 'http.route': undefined, 'http.response.status_code': 404 } },
    {
      name: /^HTTP/,
      attributes: { 'http.request.method': '_OTHER', 'http.request.method_original': 'PROPFIND' },
    },
  ])
  t.notMatch(JSON.stringify(receiver.spans), /caller-text|filters/)
})

t.test('a request whose caller leaves has an error type and no status', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, UPSTREAM_TIMEOUT_MS: '500' },
  })
  service.emulator.faults.add({ kind: 'silence' })
  const body = JSON.stringify({ user: jane })
  const caller = new RawConnection(Number(new URL(service.url).port))
  caller.write(requestHead('/companies/101/users', {
    'content-type': 'application/json', 'content-length': Buffer.byteLength(body),
  }) + body)
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  caller.socket.resetAndDestroy()
  await waitUntil(() => service.app.inFlight.count === 0)
  await service.app.fastify.close()
  t.match(receiver.spans.filter(({ kind }) => kind === 2), [{
    isError: false,
    attributes: { 'error.type': 'client_disconnected', 'http.response.status_code': undefined },
  }])
})

t.test('a trace that the gateway does not sample is not recorded, but logged', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  await sendJson(service.usersUrl, { user: jane }, { traceparent: traceparent.replace(/01$/, '00') })
  await service.app.fastify.close()
  t.strictSame(receiver.spans, [])
  t.ok(service.lines.some(({ msg, traceId: id }) => msg === 'request' && id === traceId), 'the log has its trace id')
})

t.test("the variables of OpenTelemetry's specification", async t => {
  const start = async (t: Test, env: Record<string, string>) => {
    const receiver = await startOtlpReceiver(t)
    const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env } })
    await sendJson(service.usersUrl, { user: jane })
    await sendJson(service.usersUrl, { user: jane }, { traceparent })
    await service.app.fastify.close()
    return receiver
  }
  await t.test('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is the whole URL and takes precedence', async t => {
    const other = await startOtlpReceiver(t)
    const receiver = await start(t, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${other.url}/custom` })
    t.strictSame([receiver.paths, other.paths], [new Set(), new Set(['/custom'])])
  })
  await t.test('OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES describe the service', async t => {
    const attributes = 'service.name=other, deployment.environment.name=pre%2Dproduction'
    const receiver = await start(t, { OTEL_SERVICE_NAME: 'directory', OTEL_RESOURCE_ATTRIBUTES: attributes })
    t.match(receiver.resource, { 'service.name': 'directory', 'deployment.environment.name': 'pre-production' })
  })
  for (const env of [{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }]) {
    await t.test(`${Object.entries(env).join()} turns traces off`, async t => {
      t.strictSame((await start(t, env)).paths, new Set())
    })
  }
  const samplers = [
    { sampler: 'always_on', argument: '1', count: 2 },
    { sampler: 'always_off', argument: '1', count: 0 },
    { sampler: 'traceidratio', argument: '0', count: 0 },
    { sampler: 'parentbased_always_on', argument: '1', count: 2 },
    { sampler: 'parentbased_always_off', argument: '1', count: 1 },
    { sampler: 'parentbased_traceidratio', argument: '0', count: 1 },
  ]
  for (const { sampler, argument, count } of samplers) {
    await t.test(`${sampler} with ${argument} records ${count} of 2 requests, one of them sampled before`, async t => {
      const { spans } = await start(t, { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument })
      t.equal(spans.filter(({ kind }) => kind === 2).length, count)
    })
  }
})

t.test('traces for an https receiver are sent through HTTPS_PROXY, unless NO_PROXY names it', async t => {
  const targets: Array<string | undefined> = []
  const proxy = createHttpServer().on('connect', ({ url }, socket) => {
    targets.push(url)
    socket.destroy()
  })
  const env = {
    HTTPS_PROXY: `http://127.0.0.1:${await listen(t, proxy)}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://127.0.0.1:1',
  }
  for (const noProxy of ['', '127.0.0.1', '127.0.0.0/8']) {
    await t.test(`with NO_PROXY=${noProxy}`, async t => {
      targets.length = 0
      const service = await startService(t, { env: { ...env, NO_PROXY: noProxy } })
      await sendJson(service.usersUrl, { user: jane })
      await service.app.fastify.close()
      t.equal(targets.includes('127.0.0.1:1'), noProxy === '')
    })
  }
})

t.test('a receiver that rejects spans is logged once, and no request fails', async t => {
  const receiver = await startOtlpReceiver(t)
  receiver.status = 400
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/` } })
  t.equal((await sendJson(service.usersUrl, { user: jane })).status, 201)
  await service.app.fastify.close()
  t.strictSame(receiver.paths, new Set(['/v1/traces']))
  t.equal(service.lines.filter(({ msg }) => msg === 'traces cannot be sent').length, 1)
})

t.test('a receiver that never responds does not delay shutdown', { buffered: false }, async t => {
  let connectionCount = 0
  const port = await listen(t, createServer(socket => {
    connectionCount++
    socket.on('error', () => {})
  }))
  const emulator = await startTestEmulator(t)
  const program = spawnProgram(t, 'src/main.js', {
    ...serviceEnvironment(emulator),
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  })
  t.equal((await sendJson(`${await program.listening}/companies/101/users`, { user: jane })).status, 201)
  const startedAt = performance.now()
  program.child.kill('SIGTERM')
  t.strictSame(await program.exit, { code: 0, signal: null })
  t.equal(connectionCount, 1)
  const elapsedMs = performance.now() - startedAt
  t.ok(elapsedMs < limits.tracing.timeoutMs, `${elapsedMs} ms, less than the export timeout`)
})

t.test('without tracing OpenTelemetry is not loaded, and the log still has the trace id', async t => {
  const emulator = await startTestEmulator(t)
  const directory = t.testdir({
    'log-modules.mjs': `import { registerHooks } from 'node:module'
    registerHooks({ load (url, context, next) { process.stderr.write(url + '\\n'); return next(url, context) } })`
  })
  const program = spawnProgram(t, 'src/main.js', {
    ...serviceEnvironment(emulator),
    NODE_OPTIONS: `--import=${directory}/log-modules.mjs`,
  })
  const url = await program.listening
  t.equal((await sendJson(`${url}/companies/101/users`, { user: jane }, { traceparent })).status, 201)
  await waitUntil(() => program.lines.some(line => line.includes('"msg":"request"')))
  t.match(program.lines.filter(line => line.includes('"msg":"request"')), [new RegExp(`"traceId":"${traceId}"`)])
  t.match(program.stderr(), /node_modules\/@prometheus-io\/client\//, 'the hook reports loaded modules')
  // The metrics client imports @opentelemetry/api for exemplars.
  t.notMatch(program.stderr(), /@opentelemetry\/(?!api\/)|telemetry\/tracing/)
})

const traceparents: Array<{ name: string, value: string, expected: string | undefined }> = [
  {
    name: 'with a trace id of zeros is ignored',
    value: '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    expected: undefined,
  },
  { name: 'with a span id of zeros is ignored', value: `00-${traceId}-0000000000000000-01`, expected: undefined },
  { name: 'of version ff is ignored', value: `ff-${traceId}-${parentId}-01`, expected: undefined },
  {
    name: 'of version 00 with a further field is ignored',
    value: `00-${traceId}-${parentId}-01-more`,
    expected: undefined,
  },
  { name: 'in upper case is ignored', value: `00-${traceId.toUpperCase()}-${parentId}-01`, expected: undefined },
  { name: 'without any field is ignored', value: 'x', expected: undefined },
  { name: 'of version 01 with a further field is used', value: `01-${traceId}-${parentId}-01-more`, expected: traceId },
]

t.test('an import has one span for each request to Procore', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  const { totals } = await sendImport(`${service.usersUrl}/import`, csvOf(700))
  t.match(totals, { created: 700 })
  await service.app.fastify.close()
  const requests = receiver.spans.filter(({ kind }) => kind === 3)
  t.equal(requests.length, service.emulator.apiRequests.length)
})

t.test('the header traceparent', async t => {
  const service = await startService(t)
  const requestLines = () => service.lines.filter(({ msg }) => msg === 'request')
  for (const { name, value, expected } of traceparents) {
    await t.test(name, async t => {
      const lineCount = requestLines().length
      await sendJson(service.usersUrl, { user: {} }, { traceparent: value })
      await waitUntil(() => requestLines().length > lineCount)
      t.strictSame(requestLines().slice(lineCount).map(line => line['traceId']), [expected])
    })
  }
})
