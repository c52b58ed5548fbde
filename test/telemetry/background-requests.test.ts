// A request to Procore that goes on after its caller was answered or left has a log line of its own, is in the
// histogram of the exchanges, and delays a shutdown. It writes nothing to the record of the request that started it.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { shutDown } from '../../src/server/shutdown.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { get } from '../helpers/request-builders.ts'
import { requestHead } from '../helpers/request-head.ts'
import { RawConnection } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is spent waiting for late responses.
t.jobs = 3

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const headers = { 'x-request-id': 'starter', traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
const tradesPath = '/companies/101/trades'

const linesOf = ({ lines }: Service, message: string) => lines.filter(({ msg }) => msg === message)
const findRequestLine = (service: Service) => {
  return linesOf(service, 'request').find(line => line['requestId'] === headers['x-request-id'])
}

/** Number of exchanges in the histogram. */
async function countMeasuredExchanges ({ url }: Service): Promise<number> {
  const { text } = await get(`${url}/metrics`)
  return parseSamples(text)
    .filter(({ name }) => name === 'procore_bff_upstream_duration_seconds_count')
    .reduce((sum, { value }) => sum + value, 0)
}

/** Starts a request, and disconnects once the condition holds. Returns when the request has its log line. */
async function requestAndLeave (service: Service, hasStarted: () => boolean): Promise<void> {
  const caller = new RawConnection(service.port)
  caller.write(requestHead(tradesPath, headers, 'GET'))
  await waitUntil(hasStarted)
  caller.socket.resetAndDestroy()
  await waitUntil(() => findRequestLine(service) !== undefined)
}

/** Waits until that many exchanges are over, and for what follows in the same turn of the event loop. */
async function waitForExchanges (service: Service, count: number): Promise<void> {
  await waitUntil(() => linesOf(service, 'exchange').length === count)
  await get(`${service.url}/livez`)
}

/** Asserts that there is one line of the background, and that it names the request that started it. */
function matchBackgroundLine (t: Test, service: Service, fields: Record<string, unknown> = {}): void {
  const backgroundLines = linesOf(service, 'background request')
  t.equal(backgroundLines.length, 1, 'there is one line of the background')
  const [line = {}] = backgroundLines
  t.match(line, {
    level: 'info',
    requestId: headers['x-request-id'],
    traceId,
    operation: String,
    companyId: 101,
    upstreamStatus: 200,
    upstreamMs: Number,
    procoreRequestId: String,
    ...fields,
  })
  const exchangeMs = Number(linesOf(service, 'exchange').at(-1)?.['ms'])
  t.ok(Math.abs(Number(line['upstreamMs']) - exchangeMs) <= 1, 'the duration is that of the exchange')
}

t.test('a list whose caller left before the response is logged in the background', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 1500 })
  await requestAndLeave(service, () => service.emulator.apiRequests.length === 1)
  t.match(findRequestLine(service), {
    status: 499,
    companyId: 101,
    upstreamStatus: undefined,
    upstreamMs: undefined,
    procoreRequestId: undefined,
  })
  t.equal(await countMeasuredExchanges(service), 0, 'the exchange is not over')
  await waitForExchanges(service, 1)
  matchBackgroundLine(t, service, { rateLimitWaitMs: undefined })
  t.equal(await countMeasuredExchanges(service), 1)
  const next = await get(`${service.url}${tradesPath}`)
  t.match(next.headers['age'], /^\d$/, 'the list was cached')
  t.equal(linesOf(service, 'background request')[0]?.['procoreRequestId'], next.headers['procore-request-id'])
})

t.test('a list whose caller left during the wait for the rate limit is logged with that wait', async t => {
  const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 1 } })
  t.equal((await get(`${service.url}/companies/101/vendors`)).status, 200)
  await requestAndLeave(service, () => service.app.procore.rateLimiter.waitingCount === 1)
  t.match(findRequestLine(service), { status: 499, upstreamStatus: undefined, rateLimitWaitMs: undefined })
  await waitForExchanges(service, 2)
  matchBackgroundLine(t, service, { rateLimitWaitMs: Number })
  t.equal(await countMeasuredExchanges(service), 2)
})

t.test('a list that comes too late for the user form is logged in the background', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: limits.userForm.waitMs + 500, path: '/rest/v1.0/vendors' })
  const response = await get(`${service.usersUrl}/form`, headers)
  t.match(response.json, { problems: { vendors: { code: 'procore_timeout' } } })
  await waitUntil(() => findRequestLine(service) !== undefined)
  t.match(findRequestLine(service), { status: 200 })
  t.strictSame(linesOf(service, 'background request'), [], 'lists that come in time are not in the background')
  const measuredBefore = await countMeasuredExchanges(service)
  await waitForExchanges(service, 6)
  matchBackgroundLine(t, service)
  t.equal(await countMeasuredExchanges(service), measuredBefore + 1)
})

t.test('a list whose caller gets the response is not logged in the background', async t => {
  const service = await startService(t)
  t.equal((await get(`${service.url}${tradesPath}`, headers)).status, 200)
  await waitForExchanges(service, 1)
  t.match(findRequestLine(service), { status: 200, cache: 'miss', upstreamStatus: 200, upstreamMs: Number })
  t.strictSame(linesOf(service, 'background request'), [])
  t.equal(await countMeasuredExchanges(service), 1)
})

t.test('a shutdown waits for a request in the background', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'delay', delayMs: 1500 })
  await requestAndLeave(service, () => service.emulator.apiRequests.length === 1)
  await shutDown(service.app, { drainDelayMs: 0, graceMs: 5000 })
  t.match(linesOf(service, 'exchange'), [{ status: 200, failedPhase: undefined }], 'the exchange was not cut off')
  matchBackgroundLine(t, service)
})

t.test('a request in the background that is late does not fail a shutdown', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'silence' })
  await requestAndLeave(service, () => service.emulator.apiRequests.length === 1)
  await shutDown(service.app, { drainDelayMs: 0, graceMs: 100 })
  await waitUntil(() => linesOf(service, 'background request').length === 1)
  t.match(linesOf(service, 'background request'), [{ upstreamStatus: undefined, upstreamMs: Number }])
})

// The test moves the clock of the process.
t.test('a list that is served stale because Procore is slow is fetched in the background', {
  buffered: false,
}, async t => {
  const skip = skipTime(t)
  const service = await startService(t)
  t.equal((await get(`${service.url}${tradesPath}`)).status, 200)
  skip(61_000)
  service.emulator.faults.add({ kind: 'delay', delayMs: limits.responseCache.staleWhileSlowMs + 500 })
  t.equal((await get(`${service.url}${tradesPath}`, headers)).headers['x-outcome'], 'stale')
  await waitUntil(() => findRequestLine(service) !== undefined)
  t.match(findRequestLine(service), { status: 200, cache: 'stale', upstreamStatus: undefined, upstreamMs: undefined })
  t.equal(await countMeasuredExchanges(service), 1, 'the second exchange is not over')
  await waitForExchanges(service, 2)
  matchBackgroundLine(t, service)
  t.equal(await countMeasuredExchanges(service), 2)
})
