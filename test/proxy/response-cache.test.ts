// Pick-lists are kept for a moment: one request for the same thing, anew after its time, stale while Procore can't be asked, and never past who may have them.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { ResponseCache, type FetchResult } from '../../src/proxy/response-cache.ts'
import { Problem } from '../../src/server/problem.ts'
import { ClientDisconnectedError } from '../../src/server/errors.ts'
import { neverAborted } from '../../src/server/disconnect-signal.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { RawConnection, send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const get = (url: string, headers: Record<string, string> = {}) => send(url, { method: 'GET', headers })

t.test('kept by company and question, then asked for anew', async t => {
  const skip = skipTime(t)
  const { url, emulator } = await startService(t)
  const trades = `${url}/companies/101/trades`
  const first = await get(trades)
  t.match(first, { status: 200, headers: { 'cache-control': 'private, max-age=60', vary: 'authorization', age: undefined, 'x-outcome': undefined } })
  skip(20_000)
  const second = await get(trades)
  t.match(second.headers, { 'cache-control': 'private, max-age=60', age: '20', 'procore-request-id': first.headers['procore-request-id'], total: '9', 'x-outcome': undefined })
  t.equal(second.text, first.text)
  t.equal((await get(`${url}/rest/v1.0/companies/101/trades`)).headers['age'], '20', 'the same thing by its other path')
  t.equal(emulator.apiRequests.length, 1)
  await get(`${trades}?page=1`)
  await get(`${url}/companies/102/trades`)
  t.equal(emulator.apiRequests.length, 3)
  skip(40_000)
  t.equal((await get(trades)).headers['age'], undefined)
  t.equal(emulator.apiRequests.length, 4)
})

t.test('what a page of another origin may keep varies by both', async t => {
  const { url } = await startService(t, { env: { CORS_ORIGINS: 'https://app.example.com,https://other.example.com' } })
  const { headers } = await get(`${url}/companies/101/trades`, { origin: 'https://app.example.com' })
  t.match(headers, { vary: /^Origin, authorization$/i, 'access-control-expose-headers': /\blink\b.*\bage\b.*\betag\b/ })
})

t.test('with PICK_LIST_CACHE_SECONDS=0 nothing is kept', async t => {
  const { url, emulator } = await startService(t, { env: { PICK_LIST_CACHE_SECONDS: '0' } })
  for (const count of [1, 2]) {
    t.match((await get(`${url}/companies/101/trades`)).headers, { 'cache-control': 'no-store', age: undefined })
    t.equal(emulator.apiRequests.length, count)
  }
})

t.test('one request at a time for the same thing, although whoever began it leaves', async t => {
  const { url, port, emulator } = await startService(t)
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const leaver = new RawConnection(port).write('GET /companies/101/vendors HTTP/1.1\r\nhost: x\r\n\r\n')
  await waitUntil(() => emulator.apiRequests.length === 1)
  const others = Array.from({ length: 20 }, () => get(`${url}/companies/101/vendors`))
  leaver.socket.destroy()
  t.ok((await Promise.all(others)).every(({ status }) => status === 200))
  t.equal(emulator.apiRequests.length, 1)
})

t.test('stale while Procore is down or its allowance is spent, with its age, until it is too old', async t => {
  const skip = skipTime(t)
  const { url, emulator, lines } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  const trades = `${url}/companies/101/trades`
  const { text } = await get(trades)
  for (const fault of [{ kind: 'reset-after-body' }, { kind: 'status', status: 503, body: '' }, { kind: 'status', status: 500, body: '' }, { kind: 'status', status: 200, body: '<html>' }, { kind: 'status', status: 429, body: '{}', headers: { 'retry-after': '1' } }] as const) {
    skip(61_000)
    emulator.faults.add({ ...fault, times: 2 })
    const reply = await get(trades)
    t.match(reply, { status: 200, text, headers: { 'x-outcome': 'stale', age: /^\d+$/ } }, fault.kind)
    t.ok(Number(reply.headers['age']) > 60)
    const asked = emulator.apiRequests.length
    t.equal((await get(trades)).headers['x-outcome'], 'stale')
    t.equal(emulator.apiRequests.length, asked, 'and it is left alone for a moment')
    emulator.faults.clear()
    skip(limits.responseCache.retryMs)
    t.equal((await get(trades)).headers['x-outcome'], undefined, 'it is back')
  }
  await emulator.close()
  skip(60_000 + limits.responseCache.staleIfErrorMs - 1000)
  t.equal((await get(trades)).headers['x-outcome'], 'stale')
  skip(limits.responseCache.retryMs)
  t.match(await get(trades), { status: 502, headers: { 'cache-control': 'no-store' }, json: { code: 'procore_unreachable' } })
  t.match(lines.filter(({ msg }) => msg === 'request').map(({ cache }) => cache).slice(0, 4), ['miss', 'stale', 'stale', 'miss'])
})

t.test('stale while Procore is silent: after a moment, and at once as long as nothing came; what comes then is kept', async t => {
  const skip = skipTime(t)
  const { url, emulator, lines } = await startService(t)
  const trades = `${url}/companies/101/trades`
  await get(trades)
  skip(60_000)
  emulator.faults.add({ kind: 'delay', delayMs: 3 * limits.responseCache.staleWhileSlowMs })
  const [began, others] = [performance.now(), await Promise.all([1, 2, 3].map(() => get(trades)))]
  t.ok(others.every(({ headers }) => headers['x-outcome'] === 'stale' && Number(headers['age']) >= 60))
  const waitedMs = performance.now() - began
  t.ok(waitedMs >= limits.responseCache.staleWhileSlowMs - 50 && waitedMs < 2 * limits.responseCache.staleWhileSlowMs, `${waitedMs} ms`)
  skip(limits.responseCache.retryMs)
  t.equal((await get(trades)).headers['x-outcome'], 'stale')
  t.ok(performance.now() - began < 2 * limits.responseCache.staleWhileSlowMs, 'nobody waits for what takes long')
  t.equal(emulator.apiRequests.length, 2, 'nor asks again')
  await waitUntil(() => lines.filter(({ msg, status }) => msg === 'exchange' && status === 200).length === 2)
  t.equal((await get(trades)).headers['x-outcome'], undefined)
  t.equal(emulator.apiRequests.length, 2, 'what came at last is the new list')
})

t.test('silence that ends in a time-out is asked again after a moment; without an old list it is waited for', async t => {
  const skip = skipTime(t)
  const { url, emulator, lines } = await startService(t, { env: { UPSTREAM_TIMEOUT_MS: '1500' } })
  emulator.faults.add({ kind: 'silence', path: '/trades' })
  t.match((await get(`${url}/companies/101/trades`)).json, { code: 'procore_timeout' })
  await get(`${url}/companies/101/trades`)
  skip(60_000)
  emulator.faults.add({ kind: 'silence', path: '/trades' })
  t.equal((await get(`${url}/companies/101/trades`)).headers['x-outcome'], 'stale')
  await waitUntil(() => lines.filter(({ msg, failedPhase }) => msg === 'exchange' && failedPhase === 'wait').length === 2)
  t.equal((await get(`${url}/companies/101/trades`)).headers['x-outcome'], 'stale')
  t.equal(emulator.apiRequests.length, 3, 'left alone for a moment')
  skip(limits.responseCache.retryMs)
  t.equal((await get(`${url}/companies/101/trades`)).headers['x-outcome'], undefined)
})

t.test('what is no whole list is passed on, and neither kept nor instead of what is', async t => {
  const skip = skipTime(t)
  const { url, emulator } = await startService(t)
  const trades = `${url}/companies/101/trades`
  const { text } = await get(trades)
  for (const odd of [{ status: 200, body: '{"notice":"maintenance"}' }, { status: 206, body: '[]' }]) {
    skip(60_000)
    emulator.faults.add({ kind: 'status', ...odd })
    t.match(await get(trades), { status: odd.status, text: odd.body, headers: { 'cache-control': 'no-store', age: undefined } })
    emulator.faults.add({ kind: 'status', status: 500, body: '', times: 2 })
    t.match(await get(trades), { text, headers: { 'x-outcome': 'stale' } })
    skip(limits.responseCache.retryMs)
    t.match(await get(trades), { text, headers: { 'x-outcome': undefined } })
  }
})

t.test('what refuses ends what was kept', async t => {
  const skip = skipTime(t)
  const { url, emulator } = await startService(t)
  await get(`${url}/companies/101/trades`)
  skip(60_000)
  emulator.faults.add({ kind: 'status', status: 403, body: '{"errors":["App is not connected to this company."]}' })
  t.match((await get(`${url}/companies/101/trades`)).json, { status: 403, code: 'procore_rejected' })
  emulator.faults.add({ kind: 'status', status: 500, body: '', times: 2 })
  t.equal((await get(`${url}/companies/101/trades`)).status, 502)
})

t.test('who may have it is judged before', async t => {
  const issuer = await startIssuer(t)
  const { url, emulator } = await startService(t, { env: { ...issuer.env, JWT_COMPANIES_CLAIM: 'companies', JWT_SCOPE_PREFIX: 'p:' } })
  const ask = async (claims: object) => get(`${url}/companies/101/trades`, bearerHeader(await issuer.sign({ ...claims })))
  t.equal((await ask({ companies: 101, scope: 'p:list-trades' })).status, 200)
  t.equal((await ask({ companies: 102, scope: 'p:list-trades' })).status, 403)
  t.equal((await ask({ companies: 101, scope: 'p:list-vendors' })).status, 403)
  t.equal((await get(`${url}/companies/101/trades`)).status, 401)
  t.equal(emulator.apiRequests.length, 1)
})

t.test('no more is kept, and no more wait, than the limits say', async t => {
  const answer = (body: Buffer): FetchResult => ({ procoreRequestId: undefined, result: { kind: 'success', status: 200, contentType: 'application/json', body, recordId: undefined } })
  const many = new ResponseCache(60_000)
  let fetches = 0
  const fetch = async () => { fetches++; return answer(Buffer.from('[]')) }
  for (let index = 0; index <= limits.responseCache.entriesMax; index++) await many.get(`k${index}`, neverAborted, fetch)
  t.equal((await many.get('k1', neverAborted, fetch)).cacheStatus, 'hit')
  t.equal((await many.get('k0', neverAborted, fetch)).cacheStatus, 'miss', 'the oldest went')
  t.equal(fetches, limits.responseCache.entriesMax + 2)
  const large = new ResponseCache(60_000)
  const piece = answer(Buffer.alloc(limits.responseCache.maxBytes / 4, '['))
  for (const key of ['a', 'b', 'c', 'd']) await large.get(key, neverAborted, async () => piece)
  t.equal((await large.get('b', neverAborted, fetch)).cacheStatus, 'hit')
  t.equal((await large.get('a', neverAborted, fetch)).cacheStatus, 'miss')
  const crowd = new ResponseCache(60_000)
  const waits = Array.from({ length: limits.rateLimit.queueMax + 1 }, () => crowd.get('a', neverAborted, async () => { await new Promise(setImmediate); return piece }))
  const ends = await Promise.allSettled(waits)
  t.match(ends.at(-1), { status: 'rejected', reason: { code: 'overloaded' } })
  t.ok(ends.slice(0, -1).every(({ status }) => status === 'fulfilled'))
  const gone = { aborted: true, onAbort: (listener: () => void) => { queueMicrotask(listener); return () => {} } }
  t.rejects(crowd.get('b', gone, () => new Promise(() => {})), ClientDisconnectedError)
  t.rejects(crowd.get('c', neverAborted, async () => { throw new Problem('procore_unauthorized', 'No.') }), { code: 'procore_unauthorized' })
})
