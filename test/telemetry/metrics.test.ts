// Metrics count what happened, follow Prometheus' conventions for names and units, and have few label values.
import { METHODS } from 'node:http'
import t from 'tap'
import { version } from '../../src/config/product.ts'
import { getEndpointPaths } from '../../src/endpoints/endpoint.ts'
import { createEndpoints } from '../../src/endpoints/index.ts'
import { limits } from '../../src/config/limits.ts'
import { authFailureReasons } from '../../src/telemetry/auth-failure.ts'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { importRowStatuses } from '../../src/telemetry/request-record.ts'
import { png } from '../helpers/images.ts'
import { startRedis } from '../helpers/redis.ts'
import {
  multipartBody, multipartPart, jane, janeParts, RawConnection, send, sendMultipart, sendJson
} from '../helpers/requests.ts'
import { parseFamilies, parseSamples, type Sample } from '../helpers/prometheus-samples.ts'
import { startService, type Service } from '../helpers/service.ts'
import { skipWithoutRedis } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const getMetrics = (url: string) => send(`${url}/metrics`, { method: 'GET' })
const scrape = async ({ url }: Service) => parseSamples((await getMetrics(url)).text)
const route = '/companies/:company_id/users'
const userBody = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

/** Returns the value of the first sample that has these labels, among others. */
function getValue (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number | undefined {
  const found = samples.find(sample => {
    const matches = Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
    return matches && sample.name === `procore_bff_${name}`
  })
  return found?.value
}

t.test('requests, bytes, outcomes, idempotency keys and lookups are counted', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  const withKey = { 'idempotency-key': 'a' }
  const body = JSON.stringify(userBody(1))
  const created = await sendJson(usersUrl, body, withKey)
  await sendJson(usersUrl, body, withKey)
  await sendJson(usersUrl, userBody(2), withKey)
  await sendJson(usersUrl, body)
  await sendJson(usersUrl, { user: {} })
  emulator.faults.add({ kind: 'reset-after-body' })
  await sendJson(usersUrl, userBody(3))
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 503, body: '', method: 'GET', times: 2 })
  await sendJson(usersUrl, userBody(4))
  const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(500_000) }
  await sendMultipart(usersUrl, multipartBody([avatar, { name: 'user[last_name]', data: 'Doe' }]))
  await send(`${service.url}/nowhere`, { method: 'GET' })
  const samples = await scrape(service)
  const requests = (labels: Record<string, string>) => getValue(samples, 'requests_total', labels)
  const outcomes = ['created', 'replayed', 'rejected', 'recovered', 'unknown', 'not_sent']
  const idempotencyResults = ['replayed', 'in_progress', 'reused']
  t.equal(requests({ method: 'POST', route, status_class: '2xx', code: '' }), 3)
  t.equal(requests({ route, status_class: '4xx', code: 'procore_rejected' }), 1)
  t.equal(requests({ route, status_class: '4xx', code: 'validation_failed' }), 2)
  t.equal(requests({ route, status_class: '5xx', code: 'procore_unreachable' }), 1)
  t.equal(requests({ method: 'GET', route: 'none', status_class: '4xx', code: 'not_found' }), 1)
  t.strictSame(
    outcomes.map(outcome => getValue(samples, 'outcomes_total', { outcome })),
    [1, 1, 1, 1, 1, 2],
    'a request with a reused key is not_sent'
  )
  t.strictSame(
    idempotencyResults.map(result => getValue(samples, 'idempotency_hits_total', { result })),
    [1, 0, 1]
  )
  t.equal(getValue(samples, 'lookups_total'), 4, 'one of the duplicate, one of the recovered create, two of the other')
  t.ok((getValue(samples, 'received_bytes_total', { route }) ?? 0) > 500_000 + body.length * 4)
  t.ok((getValue(samples, 'sent_bytes_total', { route }) ?? 0) > created.text.length * 2)
  t.equal(getValue(samples, 'request_duration_seconds_count', { route }), 8)
  t.ok((getValue(samples, 'upstream_duration_seconds_count', { status_class: '2xx' }) ?? 0) >= 1)
  t.ok((getValue(samples, 'upstream_duration_seconds_count', { status_class: 'none' }) ?? 0) >= 2)
  t.equal(getValue(samples, 'token_request_duration_seconds_count'), 1)
})

function countForms (samples: readonly Sample[]): Array<number | undefined> {
  return ['buffered', 'streamed'].map(mode => getValue(samples, 'forms_in_flight', { mode }))
}

function countConnections (samples: readonly Sample[]): Array<number | undefined> {
  return ['free', 'busy', 'queued'].map(state => getValue(samples, 'connections', { host: 'api', state }))
}

t.test('gauges show requests, forms and connections in flight', async t => {
  const service = await startService(t, { env: { UPSTREAM_CONNECTIONS: '1' } })
  const resume = Promise.withResolvers<void>()
  const sendSlowForm = (data: Buffer, index: number) => sendMultipart(service.usersUrl, (async function * () {
    yield multipartPart({ name: 'user[avatar]', filename: 'a.png', data })
    await resume.promise
    yield multipartBody(janeParts.map(part => {
      return part.name === 'user[email_address]' ? { ...part, data: `f${index}@example.com` } : part
    }))
  })())
  const uploads = [sendSlowForm(png(1000), 1), sendSlowForm(png(500_000), 2)]
  await waitUntil(() => service.emulator.apiRequests.length === 1 && service.app.inFlight.count === 2)
  const waiting = sendJson(service.usersUrl, userBody(1))
  await waitUntil(() => service.app.procore.connectionStats().api.queued === 1)
  const samples = await scrape(service)
  t.equal(getValue(samples, 'requests_in_flight'), 4, 'with the scrape itself')
  t.strictSame(countForms(samples), [1, 1])
  t.strictSame(countConnections(samples), [0, 1, 1])
  resume.resolve()
  t.ok((await Promise.all([...uploads, waiting])).every(({ status }) => status === 201))
  const after = await scrape(service)
  t.strictSame(countForms(after), [0, 0])
  t.strictSame(countConnections(after), [1, 0, 0])
})

t.test('Procore\'s rate limit is shown with its reset, and rejected requests are counted', async t => {
  const service = await startService(t, {
    env: { RATE_LIMIT_MAX_WAIT_MS: '0' },
    emulator: { rateLimit: 2, rateWindowSeconds: 60 },
  })
  t.equal(getValue(await scrape(service), 'rate_limit_remaining'), undefined, 'not reported yet')
  for (const index of [1, 2, 3]) await sendJson(service.usersUrl, userBody(index))
  const samples = await scrape(service)
  t.equal(getValue(samples, 'rate_limit_remaining', { company_id: '101' }), 0)
  t.equal(getValue(samples, 'rate_limit_limit', { company_id: '101' }), 2)
  const reset = getValue(samples, 'rate_limit_reset_seconds', { company_id: '101' }) ?? 0
  t.ok(reset > 50 && reset <= 61)
  t.equal(getValue(samples, 'rate_limit_rejections_total'), 1)
  const shared = await startService(t, { env: { PROCORE_RATE_LIMIT_SCOPE: 'service' } })
  await sendJson(shared.usersUrl, userBody(1))
  t.equal(getValue(await scrape(shared), 'rate_limit_remaining', { company_id: 'all' }), 3599)
})

t.test('a 429 with Retry-After exhausts the rate limit until then, a 503 does not', async t => {
  const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const getRateLimit = async (companyId: string) => {
    const samples = await scrape(service)
    return ['remaining', 'reset_seconds']
      .map(name => getValue(samples, `rate_limit_${name}`, { company_id: companyId }))
  }
  const reject = (status: number, times: number) => {
    service.emulator.faults.add({ kind: 'status', status, body: '', headers: { 'retry-after': '30' }, times })
  }
  await sendJson(service.usersUrl, userBody(1))
  const other = service.usersUrl.replace('/101/', '/102/')
  reject(503, 2)
  for (const usersUrl of [service.usersUrl, service.usersUrl, other, other]) {
    t.match((await sendJson(usersUrl, userBody(2))).json, { code: 'procore_unavailable' })
  }
  const [remaining, reset] = await getRateLimit('101')
  t.equal(remaining, 3598, 'as reported, minus one that was sent since')
  t.ok(Number(reset) > 28 && Number(reset) <= 30, 'as Retry-After says')
  t.strictSame(await getRateLimit('102'), [undefined, undefined], 'not reported')
  t.equal(getValue(await scrape(service), 'rate_limit_rejections_total'), 0)
  reject(429, 1)
  const third = service.usersUrl.replace('/101/', '/103/')
  await sendJson(third, userBody(3))
  await sendJson(third, userBody(3))
  const [remainingAfter429, resetAfter429] = await getRateLimit('103')
  t.equal(remainingAfter429, 0)
  t.ok(Number(resetAfter429) > 28 && Number(resetAfter429) <= 30)
  const samples = await scrape(service)
  t.equal(getValue(samples, 'rate_limit_rejections_total'), 1, 'the other one was rejected by Procore')
  t.equal(getValue(samples, 'requests_total', { code: 'procore_rate_limited' }), 2)
})

t.test('the companies with the fewest remaining requests are shown', async t => {
  const service = await startService(t, { env: { CALLER_RATE_PER_MINUTE: '0' } })
  for (let companyId = 1; companyId <= limits.rateLimit.companiesShown + 10; companyId++) {
    await sendJson(service.usersUrl.replace('/101/', `/${companyId}/`), { user: { ...jane } })
  }
  for (let index = 0; index < 3; index++) {
    await sendJson(service.usersUrl.replace('/101/', '/60/'), userBody(index))
  }
  const { text } = await getMetrics(service.url)
  const shownCompanies = `${limits.rateLimit.companiesShown} companies.*at each scrape`
  t.match(text, new RegExp(`^# HELP procore_bff_rate_limit_remaining .*${shownCompanies}`, 'm'))
  const shown = parseSamples(text).filter(({ name }) => name === 'procore_bff_rate_limit_remaining')
  t.equal(shown.length, limits.rateLimit.companiesShown)
  t.equal(shown[0]?.labels['company_id'], '60')
})

t.test('access token, circuit breaker and dependencies are shown', async t => {
  const service = await startService(t)
  const { accessTokens } = service.app.procore
  service.emulator.api.revokeAccessTokens()
  await sendJson(service.usersUrl, userBody(1))
  let samples = await scrape(service)
  const tokenCounts = ['renewed', 'failed', 'refused'].map(result => getValue(samples, 'tokens_total', { result }))
  t.strictSame(tokenCounts, [2, 0, 1])
  t.ok((getValue(samples, 'token_age_seconds') ?? -1) >= 0)
  t.equal(getValue(samples, 'token_valid'), 1)
  t.equal(getValue(samples, 'dependency_up', { dependency: 'login' }), 1)
  t.equal(getValue(samples, 'dependency_up', { dependency: 'api' }), 1)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  accessTokens.invalidate(accessTokens.current() ?? '')
  await waitUntil(() => accessTokens.counts.failed > 0)
  samples = await scrape(service)
  t.equal(getValue(samples, 'token_age_seconds'), undefined, 'there is no token')
  t.equal(getValue(samples, 'token_valid'), 0)
  t.equal(getValue(samples, 'dependency_up', { dependency: 'login' }), 0)
  t.equal(getValue(samples, 'breaker_open'), 0)
  service.emulator.faults.clear()
  await waitUntil(() => accessTokens.current() !== undefined)
  service.emulator.faults.add({ kind: 'reset-before-body', rate: 1 })
  for (let index = 0; index < limits.breaker.failures; index++) {
    await sendJson(service.usersUrl, userBody(index + 2))
  }
  samples = await scrape(service)
  t.equal(getValue(samples, 'breaker_open'), 1)
  t.equal(getValue(samples, 'dependency_up', { dependency: 'api' }), 0)
})

t.test('calls to Redis and their failures are counted', { skip: skipWithoutRedis }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url }, redisTimeoutMs: 500 })
  await sendJson(service.usersUrl, userBody(1))
  const before = await scrape(service)
  t.equal(getValue(before, 'dependency_up', { dependency: 'redis' }), 1)
  t.ok((getValue(before, 'redis_calls_total') ?? 0) >= 3)
  t.equal(getValue(before, 'redis_failures_total'), 0)
  redis.pause()
  await sendJson(service.usersUrl, userBody(2))
  const after = await scrape(service)
  t.equal(getValue(after, 'dependency_up', { dependency: 'redis' }), 0)
  t.ok((getValue(after, 'redis_failures_total') ?? 0) >= 1)
})

t.test('metrics of the process show event loop, heap and garbage collection', async t => {
  const { url } = await startService(t)
  const { headers, text } = await getMetrics(url)
  t.match(headers, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' })
  const families = parseFamilies(text)
  const names = [
    'nodejs_eventloop_lag_p99_seconds',
    'nodejs_heap_size_used_bytes',
    'nodejs_gc_duration_seconds',
    'process_resident_memory_bytes',
  ]
  for (const name of names) t.ok(families.has(name), name)
})

t.test('metric names and units follow the conventions of Prometheus', async t => {
  const { url } = await startService(t)
  const { text } = await getMetrics(url)
  const families = [...parseFamilies(text)].filter(([name]) => name.startsWith('procore_bff_'))
  t.ok(families.length >= 20)
  for (const [name, type] of families) {
    t.match(name, /^[a-z][a-z_]*[a-z]$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`)
    t.notMatch(name, /_(ms|millis|kb|mb)(_|$)/)
    if (type === 'histogram') t.match(name, /_(seconds|bytes)$/)
  }
})

t.test('series that alerts query exist from the start, so that the first failure is an increase', async t => {
  const service = await startService(t)
  const samples = await scrape(service)
  const serverErrorCodes = problemCodes.filter(code => problemTable[code].status >= 500)
  for (const mirroredRoute of [route, '/rest/v1.3/companies/:company_id/users']) {
    const requests = (statusClass: string, code: string) => {
      const labels = { method: 'POST', route: mirroredRoute, status_class: statusClass, code }
      return getValue(samples, 'requests_total', labels)
    }
    t.equal(requests('2xx', ''), 0)
    for (const code of serverErrorCodes) t.equal(requests('5xx', code), 0, code)
    t.equal(requests('4xx', 'procore_rate_limited'), 0)
  }
  const series = samples.filter(({ name }) => name === 'procore_bff_requests_total')
  t.equal(series.length, endpointPaths().length * 11, 'there are no other series')
})

function endpointPaths (): string[] {
  return createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() }).flatMap(getEndpointPaths)
}

t.test('labels have few values, none of which a caller sent', async t => {
  const service = await startService(t)
  const { url, usersUrl, port } = service
  for (let index = 0; index < 30; index++) {
    await send(`${url}/zzyzx${index}?zzyzx=${index}`, { method: 'GET', headers: { 'x-request-id': `zzyzx-${index}` } })
    await sendJson(usersUrl.replace('/101/', `/zzyzx${index}/`), userBody(index))
    await sendJson(`${usersUrl}/zzyzx${index}`, userBody(index))
    await send(usersUrl, { method: 'DELETE' })
  }
  const heads = [
    'ZZYZX / HTTP/1.1\r\nhost: x\r\n\r\n',
    'GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    'PROPFIND /zzyzx HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    `GET /${'z'.repeat(20_000)} HTTP/1.1\r\n\r\n`,
  ]
  for (const head of heads) {
    const raw = new RawConnection(port)
    raw.write(head)
    await raw.readToEnd()
  }
  const { text } = await getMetrics(url)
  t.notMatch(text, /zzyzx|example\.com|jane/i)
  const samples = parseSamples(text)
  const routes = new Set(['none', ...endpointPaths(), '/livez', '/readyz', '/metrics', '/openapi.json'])
  const allowed: Record<string, ReadonlySet<string>> = {
    route: routes,
    method: new Set([...METHODS, 'none']),
    status_class: new Set(['2xx', '3xx', '4xx', '5xx', 'none']),
    code: new Set(['', ...problemCodes]),
    outcome: new Set(['created', 'changed', 'recovered', 'replayed', 'not_sent', 'rejected', 'unknown']),
    mode: new Set(['buffered', 'streamed']),
    result: new Set(['replayed', 'in_progress', 'reused', 'renewed', 'failed', 'refused']),
    dependency: new Set(['login', 'api', 'identity', 'redis']),
    source: new Set(['miss', 'hit', 'stale']),
    host: new Set(['api', 'login']),
    state: new Set(['free', 'busy', 'queued']),
    kind: new Set(['log', 'audit']),
    reason: new Set(authFailureReasons),
    version: new Set([version]),
    status: new Set(importRowStatuses),
  }
  for (const { name, labels } of samples) {
    if (!name.startsWith('procore_bff_')) continue
    for (const [label, value] of Object.entries(labels)) {
      if (label === 'le' || label === 'company_id') continue
      t.ok(allowed[label]?.has(value), `${name} ${label}=${value}`)
    }
  }
  const requests = samples.filter(({ name, value }) => name === 'procore_bff_requests_total' && value > 0)
  t.ok(requests.length < 12, `${requests.length} series`)
  t.equal(getValue(samples, 'requests_total', { method: 'none', route: 'none', code: 'bad_request' }), 2)
  const invalidUrl = { method: 'GET', route: 'none', code: 'bad_request' }
  t.equal(getValue(samples, 'requests_total', invalidUrl), 1, 'the method of a request with an invalid URL is known')
})
