// Metrics: what is counted is what happened, names and units follow Prometheus' conventions, and labels stay few whatever is sent.
import { METHODS } from 'node:http'
import t from 'tap'
import { getEndpointPaths } from '../../src/endpoints/endpoint.ts'
import { createEndpoints } from '../../src/endpoints/index.ts'
import { limits } from '../../src/config/limits.ts'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { png } from '../helpers/images.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'
import { multipartBody, multipartPart, jane, janeParts, RawConnection, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { parseFamilies, parseSamples, type Sample } from '../helpers/prometheus-samples.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const scrape = async ({ url }: Pick<Service, 'url'>) => parseSamples((await send(`${url}/metrics`, { method: 'GET' })).text)
const route = '/companies/:company_id/users'
const person = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

function valueOf (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number | undefined {
  return samples.find(sample => sample.name === `procore_bff_${name}` && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value
}

t.test('requests by route, method, class and code; bytes; outcomes; keys', async t => {
  const service = await startService(t)
  const { usersUrl, emulator } = service
  const key = { 'idempotency-key': 'a' }
  const body = JSON.stringify(person(1))
  const created = await sendJson(usersUrl, body, key)
  await sendJson(usersUrl, body, key)
  await sendJson(usersUrl, person(2), key)
  await sendJson(usersUrl, body)
  await sendJson(usersUrl, { user: {} })
  emulator.faults.add({ kind: 'reset-after-body' })
  await sendJson(usersUrl, person(3))
  emulator.faults.add({ kind: 'reset-after-body' })
  emulator.faults.add({ kind: 'status', status: 503, body: '', method: 'GET', times: 2 })
  await sendJson(usersUrl, person(4))
  await sendMultipart(usersUrl, multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(500_000) }, { name: 'user[last_name]', data: 'Doe' }]))
  await send(`${service.url}/nowhere`, { method: 'GET' })
  const samples = await scrape(service)
  const requests = (labels: Record<string, string>) => valueOf(samples, 'requests_total', labels)
  t.equal(requests({ method: 'POST', route, status_class: '2xx', code: '' }), 3)
  t.equal(requests({ route, status_class: '4xx', code: 'procore_rejected' }), 1)
  t.equal(requests({ route, status_class: '4xx', code: 'validation_failed' }), 2)
  t.equal(requests({ route, status_class: '5xx', code: 'procore_unreachable' }), 1)
  t.equal(requests({ method: 'GET', route: 'none', status_class: '4xx', code: 'not_found' }), 1)
  t.strictSame(['created', 'replayed', 'rejected', 'recovered', 'unknown', 'not_sent'].map(outcome => valueOf(samples, 'outcomes_total', { outcome })), [1, 1, 1, 1, 1, 2], 'a key that was used for another request sent nothing')
  t.strictSame(['replayed', 'in_progress', 'reused'].map(result => valueOf(samples, 'idempotency_hits_total', { result })), [1, 0, 1])
  t.equal(valueOf(samples, 'lookups_total'), 3)
  t.ok((valueOf(samples, 'received_bytes_total', { route }) ?? 0) > 500_000 + body.length * 4)
  t.ok((valueOf(samples, 'sent_bytes_total', { route }) ?? 0) > created.text.length * 2)
  t.equal(valueOf(samples, 'request_duration_seconds_count', { route }), 8)
  t.ok((valueOf(samples, 'upstream_duration_seconds_count', { status_class: '2xx' }) ?? 0) >= 1)
  t.ok((valueOf(samples, 'upstream_duration_seconds_count', { status_class: 'none' }) ?? 0) >= 2)
  t.equal(valueOf(samples, 'token_request_duration_seconds_count'), 1)
})

t.test('what is under way: requests, forms held and streamed, connections busy and queued', async t => {
  const service = await startService(t, { env: { UPSTREAM_CONNECTIONS: '1' } })
  const rest = Promise.withResolvers<void>()
  const slow = (data: Buffer, index: number) => sendMultipart(service.usersUrl, (async function * () {
    yield multipartPart({ name: 'user[avatar]', filename: 'a.png', data })
    await rest.promise
    yield multipartBody(janeParts.map(part => part.name === 'user[email_address]' ? { ...part, data: `f${index}@example.com` } : part))
  })())
  const uploads = [slow(png(1000), 1), slow(png(500_000), 2)]
  await waitUntil(() => service.emulator.apiRequests.length === 1 && service.app.inFlight.count === 2)
  const waiting = sendJson(service.usersUrl, person(1))
  await waitUntil(() => service.app.procore.connectionStats().api.queued === 1)
  const samples = await scrape(service)
  t.equal(valueOf(samples, 'requests_in_flight'), 4, 'this one too')
  t.strictSame(['buffered', 'streamed'].map(mode => valueOf(samples, 'forms_in_flight', { mode })), [1, 1])
  t.strictSame(['free', 'busy', 'queued'].map(state => valueOf(samples, 'connections', { host: 'api', state })), [0, 1, 1])
  rest.resolve()
  t.ok((await Promise.all([...uploads, waiting])).every(({ status }) => status === 201))
  const after = await scrape(service)
  t.strictSame(['buffered', 'streamed'].map(mode => valueOf(after, 'forms_in_flight', { mode })), [0, 0])
  t.strictSame(['free', 'busy', 'queued'].map(state => valueOf(after, 'connections', { host: 'api', state })), [1, 0, 0])
})

t.test('the allowance: what remains, until when, who waited and who was refused', async t => {
  const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' }, emulator: { rateLimit: 2, rateWindowSeconds: 60 } })
  t.equal(valueOf(await scrape(service), 'rate_limit_remaining'), undefined, 'not told yet')
  for (const index of [1, 2, 3]) await sendJson(service.usersUrl, person(index))
  const samples = await scrape(service)
  t.equal(valueOf(samples, 'rate_limit_remaining', { company_id: '101' }), 0)
  t.equal(valueOf(samples, 'rate_limit_limit', { company_id: '101' }), 2)
  const reset = valueOf(samples, 'rate_limit_reset_seconds', { company_id: '101' }) ?? 0
  t.ok(reset > 50 && reset <= 61)
  t.equal(valueOf(samples, 'rate_limit_refusals_total'), 1)
  const shared = await startService(t, { env: { PROCORE_RATE_LIMIT_SCOPE: 'service' } })
  await sendJson(shared.usersUrl, person(1))
  t.equal(valueOf(await scrape(shared), 'rate_limit_remaining', { company_id: 'all' }), 3599)
})

t.test('a 503 with Retry-After spends no allowance; a 429 with Retry-After does until then', async t => {
  const service = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const allowance = async (company: string) => {
    const samples = await scrape(service)
    return ['remaining', 'reset_seconds'].map(name => valueOf(samples, `rate_limit_${name}`, { company_id: company }))
  }
  const refuse = (status: number, count: number) => service.emulator.faults.add({ kind: 'status', status, body: '', headers: { 'retry-after': '30' }, times: count })
  await sendJson(service.usersUrl, person(1))
  const other = service.usersUrl.replace('101', '102')
  refuse(503, 2)
  for (const users of [service.usersUrl, service.usersUrl, other, other]) t.match((await sendJson(users, person(2))).json, { code: 'procore_unavailable' })
  const [remaining, reset] = await allowance('101')
  t.equal(remaining, 3598, 'as told, and one was sent since')
  t.ok(Number(reset) > 28 && Number(reset) <= 30, 'when the next may go')
  t.strictSame(await allowance('102'), [undefined, undefined], 'nothing is known of it')
  t.equal(valueOf(await scrape(service), 'rate_limit_refusals_total'), 0)
  refuse(429, 1)
  const third = service.usersUrl.replace('101', '103')
  await sendJson(third, person(3))
  await sendJson(third, person(3))
  const [spent, again] = await allowance('103')
  t.equal(spent, 0)
  t.ok(Number(again) > 28 && Number(again) <= 30)
  const samples = await scrape(service)
  t.equal(valueOf(samples, 'rate_limit_refusals_total'), 1, 'the other one was Procore\'s own')
  t.equal(valueOf(samples, 'requests_total', { code: 'procore_rate_limited' }), 2)
})

t.test('of many companies those with the least left are shown', async t => {
  const service = await startService(t, { env: { CALLER_RATE_PER_MINUTE: '0' } })
  for (let company = 1; company <= limits.rateLimit.companiesShown + 10; company++) await sendJson(service.usersUrl.replace('101', String(company)), { user: { ...jane } })
  for (let index = 0; index < 3; index++) await sendJson(service.usersUrl.replace('101', '60'), person(index))
  const { text } = await send(`${service.url}/metrics`, { method: 'GET' })
  t.match(text, new RegExp(`^# HELP procore_bff_rate_limit_remaining .*${limits.rateLimit.companiesShown} companies.*at each scrape`, 'm'))
  const shown = parseSamples(text).filter(({ name }) => name === 'procore_bff_rate_limit_remaining')
  t.equal(shown.length, limits.rateLimit.companiesShown)
  t.equal(shown[0]?.labels['company_id'], '60')
})

t.test('token, breaker and dependencies', async t => {
  const service = await startService(t)
  service.emulator.api.revokeAccessTokens()
  await sendJson(service.usersUrl, person(1))
  let samples = await scrape(service)
  t.strictSame(['renewed', 'failed', 'refused'].map(result => valueOf(samples, 'tokens_total', { result })), [2, 0, 1])
  t.ok((valueOf(samples, 'token_age_seconds') ?? -1) >= 0)
  t.equal(valueOf(samples, 'token_valid'), 1)
  t.strictSame(['login', 'api'].map(dependency => valueOf(samples, 'dependency_up', { dependency })), [1, 1])
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  service.app.procore.accessTokens.invalidate(service.app.procore.accessTokens.current() ?? '')
  await waitUntil(() => service.app.procore.accessTokens.counts.failed > 0)
  samples = await scrape(service)
  t.equal(valueOf(samples, 'token_age_seconds'), undefined, 'none')
  t.equal(valueOf(samples, 'token_valid'), 0)
  t.equal(valueOf(samples, 'dependency_up', { dependency: 'login' }), 0)
  t.equal(valueOf(samples, 'breaker_open'), 0)
  service.emulator.faults.clear()
  await waitUntil(() => service.app.procore.accessTokens.current() !== undefined)
  service.emulator.faults.add({ kind: 'reset-before-body', times: limits.breaker.failures })
  for (let index = 0; index < limits.breaker.failures; index++) await sendJson(service.usersUrl, person(index + 2))
  samples = await scrape(service)
  t.equal(valueOf(samples, 'breaker_open'), 1)
  t.equal(valueOf(samples, 'dependency_up', { dependency: 'api' }), 0)
})

t.test('Redis', { skip: !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed' }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  await sendJson(service.usersUrl, person(1))
  const before = await scrape(service)
  t.equal(valueOf(before, 'dependency_up', { dependency: 'redis' }), 1)
  t.ok((valueOf(before, 'redis_calls_total') ?? 0) >= 3)
  t.equal(valueOf(before, 'redis_failures_total'), 0)
  redis.pause()
  await sendJson(service.usersUrl, person(2))
  const after = await scrape(service)
  t.equal(valueOf(after, 'dependency_up', { dependency: 'redis' }), 0)
  t.ok((valueOf(after, 'redis_failures_total') ?? 0) >= 1)
})

t.test('the process: event loop, heap, garbage collection', async t => {
  const { url } = await startService(t)
  const { headers, text } = await send(`${url}/metrics`, { method: 'GET' })
  t.match(headers, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' })
  const families = parseFamilies(text)
  for (const name of ['nodejs_eventloop_lag_p99_seconds', 'nodejs_heap_size_used_bytes', 'nodejs_gc_duration_seconds', 'process_resident_memory_bytes']) t.ok(families.has(name), name)
})

t.test('names and units follow the conventions', async t => {
  const { url } = await startService(t)
  const families = [...parseFamilies((await send(`${url}/metrics`, { method: 'GET' })).text)].filter(([name]) => name.startsWith('procore_bff_'))
  t.ok(families.length >= 20)
  for (const [name, type] of families) {
    t.match(name, /^[a-z][a-z_]*[a-z]$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`)
    t.notMatch(name, /_(ms|millis|kb|mb)(_|$)/)
    if (type === 'histogram') t.match(name, /_(seconds|bytes)$/)
  }
})

t.test('what alerts look for is there from the start, so that the first failure is an increase', async t => {
  const service = await startService(t)
  const samples = await scrape(service)
  for (const mirrored of [route, '/rest/v1.3/companies/:company_id/users']) {
    t.equal(valueOf(samples, 'requests_total', { method: 'POST', route: mirrored, status_class: '2xx', code: '' }), 0)
    for (const code of problemCodes.filter(code => problemTable[code].status >= 500)) t.equal(valueOf(samples, 'requests_total', { method: 'POST', route: mirrored, status_class: '5xx', code }), 0, code)
    t.equal(valueOf(samples, 'requests_total', { method: 'POST', route: mirrored, status_class: '4xx', code: 'procore_rate_limited' }), 0)
  }
  t.equal(samples.filter(({ name }) => name === 'procore_bff_requests_total').length, createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() }).flatMap(getEndpointPaths).length * 11, 'and no more than that')
})

t.test('labels stay few whatever is sent, and hold nothing that a caller wrote', async t => {
  const service = await startService(t)
  const { url, usersUrl, port } = service
  for (let index = 0; index < 30; index++) {
    await send(`${url}/zzyzx${index}?zzyzx=${index}`, { method: 'GET', headers: { 'x-request-id': `zzyzx-${index}` } })
    await sendJson(usersUrl.replace('101', `zzyzx${index}`), person(index))
    await sendJson(`${usersUrl}/zzyzx${index}`, person(index))
    await send(usersUrl, { method: 'DELETE' })
  }
  for (const head of ['ZZYZX / HTTP/1.1\r\nhost: x\r\n\r\n', 'GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 'PROPFIND /zzyzx HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', `GET /${'z'.repeat(20_000)} HTTP/1.1\r\n\r\n`]) {
    const raw = new RawConnection(port)
    raw.write(head)
    await raw.readToEnd()
  }
  const { text } = await send(`${url}/metrics`, { method: 'GET' })
  t.notMatch(text, /zzyzx|example\.com|jane/i)
  const samples = parseSamples(text)
  const routes = new Set(['none', ...createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() }).flatMap(getEndpointPaths), '/livez', '/readyz', '/metrics', '/openapi.json'])
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
  t.equal(valueOf(samples, 'requests_total', { method: 'none', route: 'none', code: 'bad_request' }), 2)
  t.equal(valueOf(samples, 'requests_total', { method: 'GET', route: 'none', code: 'bad_request' }), 1, 'of a URL that can not be read the method is known')
})
