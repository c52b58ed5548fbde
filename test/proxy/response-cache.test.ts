// The response cache: lists are cached by company and query, refreshed after their lifetime, and stale on errors.
import t from 'tap'
import type { InjectedFault } from '../../tools/emulator/settings.ts'
import { limits } from '../../src/config/limits.ts'
import { ResponseCache, type Fetch } from '../../src/proxy/response-cache.ts'
import type { UpstreamResult } from '../../src/procore/result.ts'
import { Problem } from '../../src/server/problem.ts'
import { ClientDisconnectedError } from '../../src/server/errors.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { get } from '../helpers/request-builders.ts'
import { RawConnection } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const { entriesMax, maxBytes, retryMs, staleIfErrorMs, staleWhileSlowMs } = limits.responseCache

t.test('a list is cached by company and query for its lifetime, and then fetched again', async t => {
  const skip = skipTime(t)
  const { url, emulator } = await startService(t)
  const tradesUrl = `${url}/companies/101/trades`
  const first = await get(tradesUrl)
  t.match(first, {
    status: 200,
    headers: {
      'cache-control': 'private, max-age=60',
      vary: 'authorization',
      age: undefined,
      'x-outcome': undefined,
    },
  })
  skip(20_000)
  const second = await get(tradesUrl)
  t.match(second.headers, {
    'cache-control': 'private, max-age=60',
    age: '20',
    'procore-request-id': first.headers['procore-request-id'],
    total: '9',
    'x-outcome': undefined,
  })
  t.equal(second.text, first.text)
  const procorePath = await get(`${url}/rest/v1.0/companies/101/trades`)
  t.equal(procorePath.headers['age'], '20', 'both paths share one entry')
  t.equal(emulator.apiRequests.length, 1)

  await get(`${tradesUrl}?page=1`)
  await get(`${url}/companies/102/trades`)
  t.equal(emulator.apiRequests.length, 3)
  skip(40_000)
  t.equal((await get(tradesUrl)).headers['age'], undefined)
  t.equal(emulator.apiRequests.length, 4)
})

t.test('a response that a page of another origin may cache varies by Origin and Authorization', async t => {
  const env = { CORS_ORIGINS: 'https://app.example.com,https://other.example.com' }
  const { url } = await startService(t, { env })
  const { headers } = await get(`${url}/companies/101/trades`, { origin: 'https://app.example.com' })
  t.match(headers, {
    vary: /^Origin, authorization$/i,
    'access-control-expose-headers': /\blink\b.*\bage\b.*\betag\b/,
  })
})

t.test('with PICK_LIST_CACHE_SECONDS=0 nothing is cached', async t => {
  const { url, emulator } = await startService(t, { env: { PICK_LIST_CACHE_SECONDS: '0' } })
  for (const count of [1, 2]) {
    const { headers } = await get(`${url}/companies/101/trades`)
    t.match(headers, { 'cache-control': 'no-store', age: undefined })
    t.equal(emulator.apiRequests.length, count)
  }
})

t.test('concurrent requests share one fetch, even if the caller that started it disconnects', async t => {
  const { url, port, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const first = new RawConnection(port).write('GET /companies/101/vendors HTTP/1.1\r\nhost: x\r\n\r\n')
  await waitUntil(() => emulator.apiRequests.length === 1)
  const others = Array.from({ length: 20 }, () => get(`${url}/companies/101/vendors`))
  first.socket.destroy()
  t.ok((await Promise.all(others)).every(({ status }) => status === 200))
  t.equal(emulator.apiRequests.length, 1)
})

t.test('while Procore fails or its rate limit is exhausted, a stale list is served until it is too old', async t => {
  const skip = skipTime(t)
  const { url, emulator, lines } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const tradesUrl = `${url}/companies/101/trades`
  const { text } = await get(tradesUrl)
  const rows: Array<{ name: string, fault: InjectedFault }> = [
    { name: 'Procore resets the connection', fault: { kind: 'reset-after-body', times: 2 } },
    { name: 'Procore responds with 503', fault: { kind: 'status', status: 503, body: '', times: 2 } },
    { name: 'Procore responds with 500', fault: { kind: 'status', status: 500, body: '', times: 2 } },
    { name: 'Procore responds with HTML', fault: { kind: 'status', status: 200, body: '<html>', times: 2 } },
    {
      name: 'Procore responds with 429',
      fault: { kind: 'status', status: 429, body: '{}', headers: { 'retry-after': '1' }, times: 2 },
    },
  ]
  for (const { name, fault } of rows) {
    await t.test(`when ${name}, the stale list is served and the retry is deferred`, async t => {
      skip(61_000)
      emulator.faults.add(fault)
      const response = await get(tradesUrl)
      t.match(response, { status: 200, text, headers: { 'x-outcome': 'stale', age: /^\d+$/ } })
      t.ok(Number(response.headers['age']) > 60)
      const requestsBefore = emulator.apiRequests.length
      t.equal((await get(tradesUrl)).headers['x-outcome'], 'stale')
      t.equal(emulator.apiRequests.length, requestsBefore, 'Procore is not called again yet')
      emulator.faults.clear()
      skip(retryMs)
      t.equal((await get(tradesUrl)).headers['x-outcome'], undefined, 'the list is fetched again')
    })
  }
  await emulator.close()
  skip(60_000 + staleIfErrorMs - 1000)
  t.equal((await get(tradesUrl)).headers['x-outcome'], 'stale')
  skip(retryMs)
  t.match(await get(tradesUrl), {
    status: 502,
    headers: { 'cache-control': 'no-store' },
    json: { code: 'procore_unreachable' },
  })
  const statuses = lines.filter(({ msg }) => msg === 'request').map(({ cache }) => cache)
  t.match(statuses.slice(0, 4), ['miss', 'stale', 'stale', 'miss'])
})

t.test('while Procore is slow, a stale list is served, and the late response is cached', async t => {
  const skip = skipTime(t)
  const { url, emulator, lines } = await startService(t)
  const tradesUrl = `${url}/companies/101/trades`
  await get(tradesUrl)
  skip(60_000)
  emulator.faults.add({ kind: 'delay', delayMs: 3 * staleWhileSlowMs })
  const startedMs = performance.now()
  const responses = await Promise.all([1, 2, 3].map(() => get(tradesUrl)))
  t.ok(responses.every(({ headers }) => headers['x-outcome'] === 'stale' && Number(headers['age']) >= 60))
  const waitedMs = performance.now() - startedMs
  t.ok(waitedMs >= staleWhileSlowMs - 50 && waitedMs < 2 * staleWhileSlowMs, `${waitedMs} ms`)

  skip(retryMs)
  t.equal((await get(tradesUrl)).headers['x-outcome'], 'stale')
  const elapsedMs = performance.now() - startedMs - retryMs
  t.ok(elapsedMs < 2 * staleWhileSlowMs, 'later requests do not wait for the slow fetch')
  t.equal(emulator.apiRequests.length, 2, 'later requests do not start another fetch')
  await waitUntil(() => lines.filter(({ msg, status }) => msg === 'exchange' && status === 200).length === 2)
  t.equal((await get(tradesUrl)).headers['x-outcome'], undefined)
  t.equal(emulator.apiRequests.length, 2, 'the late response is served from the cache')
})

t.test('a fetch that timed out is retried later; without a stale list the caller waits for it', async t => {
  const skip = skipTime(t)
  const { url, emulator, lines } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '1500' } })
  const tradesUrl = `${url}/companies/101/trades`
  emulator.faults.add({ kind: 'silence', path: '/trades' })
  t.match((await get(tradesUrl)).json, { code: 'procore_timeout' })
  await get(tradesUrl)
  skip(60_000)
  emulator.faults.add({ kind: 'silence', path: '/trades' })
  t.equal((await get(tradesUrl)).headers['x-outcome'], 'stale')
  await waitUntil(() => {
    return lines.filter(({ msg, failedPhase }) => msg === 'exchange' && failedPhase === 'wait').length === 2
  })
  t.equal((await get(tradesUrl)).headers['x-outcome'], 'stale')
  t.equal(emulator.apiRequests.length, 3, 'Procore is not called again yet')
  skip(retryMs)
  t.equal((await get(tradesUrl)).headers['x-outcome'], undefined)
})

t.test('a response that is not a complete list is relayed, and does not replace the cached list', async t => {
  const skip = skipTime(t)
  const { url, emulator } = await startService(t)
  const tradesUrl = `${url}/companies/101/trades`
  const { text } = await get(tradesUrl)
  const rows = [
    { name: 'an object with status 200', status: 200, body: '{"notice":"maintenance"}' },
    { name: 'a partial list with status 206', status: 206, body: '[]' },
  ]
  for (const { name, status, body } of rows) {
    await t.test(`${name} is not cached`, async t => {
      skip(60_000)
      emulator.faults.add({ kind: 'status', status, body })
      const relayed = await get(tradesUrl)
      t.match(relayed, { status, text: body, headers: { 'cache-control': 'no-store', age: undefined } })
      emulator.faults.add({ kind: 'status', status: 500, body: '', times: 2 })
      t.match(await get(tradesUrl), { text, headers: { 'x-outcome': 'stale' } })
      skip(retryMs)
      t.match(await get(tradesUrl), { text, headers: { 'x-outcome': undefined } })
    })
  }
})

t.test('a rejection by Procore removes the cached list', async t => {
  const skip = skipTime(t)
  const { url, emulator } = await startService(t)
  const tradesUrl = `${url}/companies/101/trades`
  await get(tradesUrl)
  skip(60_000)
  const body = '{"errors":["App is not connected to this company."]}'
  emulator.faults.add({ kind: 'status', status: 403, body })
  t.match((await get(tradesUrl)).json, { status: 403, code: 'procore_rejected' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', times: 2 })
  t.equal((await get(tradesUrl)).status, 502)
})

t.test('a request is authorized before a cached list is served', async t => {
  const issuer = await startIssuer(t)
  const env = { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' }
  const { url, emulator } = await startService(t, { env })
  const tradesUrl = `${url}/companies/101/trades`
  const getWithClaims = async (claims: { companies: number, scope: string }) => {
    return get(tradesUrl, bearerHeader(await issuer.sign({ ...claims })))
  }
  t.equal((await getWithClaims({ companies: 101, scope: 'p:list-trades' })).status, 200)
  t.equal((await getWithClaims({ companies: 102, scope: 'p:list-trades' })).status, 403)
  t.equal((await getWithClaims({ companies: 101, scope: 'p:list-vendors' })).status, 403)
  t.equal((await get(tradesUrl)).status, 401)
  t.equal(emulator.apiRequests.length, 1)
})

const { signal: neverAborted } = new AbortController()

const createCache = () => new ResponseCache(60_000, () => {})

function createFetch (result: Promise<UpstreamResult>): Fetch {
  return { record: { requestId: 'a' }, result }
}

function fetchBody (body: Buffer): Fetch {
  return createFetch(Promise.resolve({
    kind: 'success', status: 200, contentType: 'application/json', body, recordId: undefined,
  }))
}

const fetchEmptyList = () => fetchBody(Buffer.from('[]'))

/** A list that takes nearly a quarter of the cache. */
const largeList = Buffer.alloc(maxBytes / 4 - 2000, '[')

t.test('the oldest entry is evicted past the maximum number of entries', async t => {
  const cache = createCache()
  let fetches = 0
  const fetch = () => {
    fetches++
    return fetchEmptyList()
  }
  for (let index = 0; index <= entriesMax; index++) await cache.get(`k${index}`, neverAborted, fetch)
  t.equal((await cache.get('k1', neverAborted, fetch)).cacheStatus, 'hit')
  t.equal((await cache.get('k0', neverAborted, fetch)).cacheStatus, 'miss', 'the oldest entry was evicted')
  t.equal(fetches, entriesMax + 2)
})

t.test('the oldest entry is evicted past the maximum number of bytes', async t => {
  const cache = createCache()
  for (const id of ['a', 'b', 'c', 'd', 'e']) await cache.get(id, neverAborted, () => fetchBody(largeList))
  t.equal((await cache.get('b', neverAborted, fetchEmptyList)).cacheStatus, 'hit')
  t.equal((await cache.get('a', neverAborted, fetchEmptyList)).cacheStatus, 'miss')
})

t.test('a request past the maximum number of waiting ones is refused', async t => {
  const cache = createCache()
  const later = Promise.withResolvers<UpstreamResult>()
  const waiting = Array.from({ length: limits.rateLimit.queueMax + 1 }, () => {
    return cache.get('a', neverAborted, () => createFetch(later.promise))
  })
  later.resolve(await fetchEmptyList().result)
  const results = await Promise.all(waiting)
  t.match(results.at(-1)?.result, { kind: 'failure', error: { code: 'overloaded' } })
  t.ok(results.slice(0, -1).every(({ result }) => result.kind === 'success'))
})

t.test('a caller that disconnects stops waiting for a fetch, which goes on in the background', async t => {
  const background: unknown[] = []
  const cache = new ResponseCache(60_000, record => background.push(record))
  const fetch = createFetch(new Promise(() => {}))
  const caller = new AbortController()
  const cached = cache.get('a', caller.signal, () => fetch)
  caller.abort(new ClientDisconnectedError())
  t.match((await cached).result, { kind: 'failure', error: { name: 'ClientDisconnectedError' } })
  t.same(background, [fetch.record])
})

t.test('a failed fetch is the result if nothing is cached', async t => {
  const failure: UpstreamResult = { kind: 'failure', error: new Problem('procore_unauthorized', 'No.') }
  const { result } = await createCache().get('a', neverAborted, () => createFetch(Promise.resolve(failure)))
  t.equal(result, failure)
})
