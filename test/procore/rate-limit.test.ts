// Tests the client-side rate limiter: requests wait in order instead of being refused by Procore with 429.
import { once } from 'node:events'
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { RateLimiter, type Permit } from '../../src/procore/rate-limit/limiter.ts'
import type { ExchangeFailure, UpstreamResponse } from '../../src/procore/exchange.ts'
import { parseRateLimitUpdate, type ReportedWindow } from '../../src/procore/rate-limit/headers.ts'
import {
  acquire, applyUpdate, countPermitsOfOthers, initialState, parseState, type RateLimitState
} from '../../src/procore/rate-limit/state.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, jane, RawConnection, sendMultipart, sendJson, type TestResponse } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// The tests spend most of their time waiting for rate limit windows to end, which last whole seconds.
t.jobs = 6

const userBody = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

function createMany (usersUrl: string, count: number, firstIndex = 0): Promise<TestResponse[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => sendJson(usersUrl, userBody(firstIndex + index))))
}

function countStatus (responses: TestResponse[], status: number): number {
  return responses.filter(response => response.status === status).length
}

/** Number of requests that Procore itself refused with 429. */
function countProcore429 ({ emulator }: Service): number {
  return emulator.apiRequests.filter(({ status }) => status === 429).length
}

/** Indexes of the users in the requests that Procore received. */
function receivedIndexes ({ emulator }: Service): Array<string | undefined> {
  return emulator.apiRequests.map(({ json }) => JSON.stringify(json).match(/jane(\d+)@/)?.[1])
}

function response (status: number, headers: Record<string, string>): UpstreamResponse {
  const body = Buffer.alloc(0)
  return {
    kind: 'response', status, beforeRequestEnd: false, receivedAtMs: 0, body, headers, containsAccessToken: false,
  }
}

t.test('without remaining requests, requests wait in order for a near reset, and none gets a 429', async t => {
  // On several connections, requests that are sent at the same time arrive in any order.
  const service = await startService(t, {
    emulator: { rateLimit: 5, rateWindowSeconds: 1 },
    env: { RATE_LIMIT_MAX_WAIT_MS: '10000', UPSTREAM_CONNECTIONS: '1' },
  })
  const { app, usersUrl } = service
  for (let index = 0; index < 5; index++) t.equal((await sendJson(usersUrl, userBody(index))).status, 201)
  const responses: Array<Promise<TestResponse>> = []
  while (responses.length < 12) {
    const arrival = once(app.fastify.server, 'request')
    responses.push(sendJson(usersUrl, userBody(100 + responses.length)))
    await arrival
  }
  for (const { status } of await Promise.all(responses)) t.equal(status, 201)
  t.equal(countProcore429(service), 0)
  t.strictSame(receivedIndexes(service).slice(5), Array.from({ length: 12 }, (_, index) => String(100 + index)))
  t.ok(service.lines.some(line => Number(line['rateLimitWaitMs']) > 0), 'the wait is in the log')
})

/** Applies a response that reports a window. Its request was sent when the response arrived. */
function report (state: RateLimitState, reportedWindow: ReportedWindow, nowMs: number) {
  const update = { hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined }
  return applyUpdate(state, update, nowMs, nowMs)
}

const waitFor = (state: RateLimitState, inFlight: number, nowMs: number) => acquire(state, inFlight, nowMs).wait

const hour = { name: 'hour', remaining: 500, limit: 3600, resetMs: 3_600_000 }
const seconds = { name: 'seconds', remaining: 25, limit: 25, resetMs: 10_000 }

t.test('an exhausted short window delays requests until its own reset, not that of a long window', async t => {
  const state = report(report(initialState, { ...hour, remaining: 2 }, 0), { ...seconds, remaining: 0 }, 0)
  t.strictSame(waitFor(state, 1, 0), { waitMs: 10_000, isFirm: true, reason: 'rate' })
})

t.test('many requests at the start of a new window cause no 429 from Procore', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 10, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '0' }
  })
  for (let index = 0; index < 3; index++) await sendJson(service.usersUrl, userBody(index))
  await new Promise(resolve => setTimeout(resolve, 2100))
  service.emulator.faults.add({ kind: 'delay', delayMs: 50 })
  const [first, ...others] = await createMany(service.usersUrl, 31, 100)
  t.equal(first?.status, 201)
  t.ok(countStatus(others, 429) > 0)
  t.equal(countProcore429(service), 0)
})

t.test('a reset that is too far away', async t => {
  for (const clockSkewSeconds of [0, 7200, -7200]) {
    await t.test(`is reported exactly, and nothing is sent, with a clock skew of ${clockSkewSeconds} s`, async t => {
      const service = await startService(t, { emulator: { rateLimit: 1, rateWindowSeconds: 60, clockSkewSeconds } })
      t.equal((await sendJson(service.usersUrl, userBody(1))).status, 201)
      const refused = await sendJson(service.usersUrl, userBody(2))
      t.match(refused.json, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent' })
      const seconds = Number(refused.headers['retry-after'])
      t.ok(seconds >= 55 && seconds <= 62, `Retry-After is ${seconds} s`)
      t.equal(service.emulator.apiRequests.length, 1)
      const otherUsersUrl = service.usersUrl.replace('/101/', '/102/')
      t.equal((await sendJson(otherUsersUrl, userBody(2))).status, 201, 'another company does not wait')
    })
  }
})

t.test('with PROCORE_RATE_LIMIT_SCOPE=service all companies share one rate limit', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 1, rateWindowSeconds: 60 }, env: { PROCORE_RATE_LIMIT_SCOPE: 'service' }
  })
  t.equal((await sendJson(service.usersUrl, userBody(1))).status, 201)
  t.equal((await sendJson(service.usersUrl.replace('/101/', '/102/'), userBody(2))).status, 429)
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('an unexpected 429 throttles the company, and requests wait for a short one', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '1' } })
  const responses = await createMany(service.usersUrl, 2)
  t.equal(countStatus(responses, 201), 2)
  service.emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '30' } })
  t.match((await sendJson(service.usersUrl, userBody(5))).json, { status: 429, outcome: 'rejected' })
  const requestCount = service.emulator.apiRequests.length
  const refused = await sendJson(service.usersUrl, userBody(6))
  t.match(refused.json, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent' })
  t.match(refused.headers['retry-after'], /^(2[5-9]|30)$/)
  t.equal(service.emulator.apiRequests.length, requestCount)
})

t.test('a 503 with Retry-After throttles the company as procore_unavailable', async t => {
  const service = await startService(t)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', headers: { 'retry-after': '30' } })
  const rejected = await sendJson(service.usersUrl, userBody(5))
  t.match(rejected.json, { status: 503, code: 'procore_unavailable', outcome: 'rejected' })
  t.match(await sendJson(service.usersUrl, userBody(6)), {
    json: { status: 503, code: 'procore_unavailable', outcome: 'not_sent' },
    headers: { 'retry-after': /^(2[5-9]|30)$/ },
  })
})

t.test('Retry-After as a date is relative to the Date of the response', async t => {
  const service = await startService(t)
  const date = new Date(Date.now() + 7_200_000)
  const retryDate = new Date(date.getTime() + 20_000)
  const raw = [
    'HTTP/1.1 429 Too Many Requests',
    `date: ${date.toUTCString()}`,
    `retry-after: ${retryDate.toUTCString()}`,
    'content-length: 0',
    '\r\n',
  ].join('\r\n')
  service.emulator.faults.add({ kind: 'raw', raw })
  t.match(await sendJson(service.usersUrl, userBody(5)), { status: 429, headers: { 'retry-after': '20' } })
})

t.test('a request whose caller disconnects while it waits is not sent', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 1, rateWindowSeconds: 5 }, env: { RATE_LIMIT_MAX_WAIT_MS: '10000' }
  })
  await sendJson(service.usersUrl, userBody(1))
  const body = JSON.stringify(userBody(2))
  const caller = new RawConnection(service.port)
  const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
  caller.write(`POST /companies/101/users HTTP/1.1\r\n${head}\r\n\r\n${body}`)
  await waitUntil(() => service.app.procore.rateLimiter.waitingCount === 1)
  const nextResponse = sendJson(service.usersUrl, userBody(3))
  caller.socket.resetAndDestroy()
  t.equal((await nextResponse).status, 201)
  await waitUntil(() => service.lines.some(({ status }) => status === 499))
  t.strictSame(receivedIndexes(service), ['1', '3'])
})

t.test('a request beyond the queue limit of its company is refused at once as overloaded', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 1, rateWindowSeconds: 60 }, env: { RATE_LIMIT_MAX_WAIT_MS: '70000' }
  })
  await sendJson(service.usersUrl, userBody(0))
  const responses: TestResponse[] = []
  for (let index = 1; index <= 300; index++) {
    // The requests that wait fail when the service is closed.
    sendJson(service.usersUrl, userBody(index)).then(response => responses.push(response), () => {})
  }
  const { rateLimiter } = service.app.procore
  await waitUntil(() => responses.length + rateLimiter.waitingCount === 300)
  t.equal(rateLimiter.waitingCount, 256)
  t.equal(countStatus(responses, 503), 300 - 256)
  for (const response of responses) {
    t.match(response, { json: { code: 'overloaded', outcome: 'not_sent' }, headers: { 'retry-after': '1' } })
  }
  t.equal(countProcore429(service), 0)
})

t.test('if responses overtake each other, the lowest count within one window is the latest', async t => {
  let state = initialState
  for (const remaining of [0, 2, 1]) state = report(state, { ...seconds, remaining }, 1000)
  t.strictSame(waitFor(state, 0, 1000), { waitMs: 10_000, isFirm: true, reason: 'rate' })
})

t.test('the stricter of two windows applies until its own reset', async t => {
  let state = report(initialState, { ...seconds, remaining: 0 }, 0)
  state = report(state, hour, 1)
  t.match(waitFor(state, 0, 1), { waitMs: 9_999, isFirm: true })
  state = report(state, { ...hour, remaining: 1 }, 11_000)
  t.equal(waitFor(state, 0, 11_000), undefined)
  t.match(waitFor(state, 1, 11_000), { waitMs: 3_589_001, isFirm: false }, 'the last remaining request is in flight')
})

t.test('all permits of the leases of other replicas count as in flight', async t => {
  const leases = {
    own: { inFlight: 1, inAdvance: 5, endsAtMs: 30_000 },
    other: { inFlight: 2, inAdvance: 3, endsAtMs: 30_000 },
  }
  const state = { ...report(initialState, { ...seconds, remaining: 7 }, 0), leases }
  const { inFlight, leased } = countPermitsOfOthers(state, 'own')
  t.equal(acquire(state, inFlight + 1, 0, leased).wait, undefined, 'the last one')
  t.match(acquire(state, inFlight + 2, 0, leased).wait, { isFirm: false, reason: 'rate' })
})

t.test('after a reset one request probes, and the others wait for a response to a request sent since', async t => {
  const { probeMs } = limits.rateLimit
  const state = report(initialState, seconds, 0)
  t.equal(waitFor(state, 5, 9_999), undefined)
  const probe = acquire(state, 0, 10_000)
  t.equal(probe.wait, undefined)
  t.match(waitFor(probe.state, 1, 10_300), { waitMs: probeMs - 300, isFirm: false, reason: 'probe' })
  t.equal(waitFor(probe.state, 1, 10_000 + probeMs), undefined, 'the others wait at most one second')
  t.equal(waitFor(probe.state, 0, 10_300), undefined, 'the probe failed, and the next one is sent')
  t.match(waitFor(state, 1, 10_000), { waitMs: probeMs, reason: 'probe' }, 'the probe of another replica')
  const update = parseRateLimitUpdate(response(200, {}), 0)
  const late = applyUpdate(probe.state, update, 9_000, 10_100)
  t.match(waitFor(late, 1, 10_100), { reason: 'probe' }, 'a response to an earlier request does not end the wait')
  t.equal(waitFor(applyUpdate(probe.state, update, 10_000, 10_100), 1, 10_100), undefined)
})

t.test('after the clock was set back, requests wait for the probe of the next window as before', async t => {
  const hourMs = 3_600_000
  let state = report(initialState, seconds, hourMs)
  state = acquire(state, 0, hourMs + 10_000).state
  state = report(state, { ...seconds, name: 'next' }, hourMs + 10_100)
  state = report(state, { ...seconds, name: 'after' }, 0)
  t.match(acquire(state, 5, 9_999), { wait: undefined })
  const probe = acquire(state, 0, 10_000)
  t.equal(probe.wait, undefined)
  t.match(waitFor(probe.state, 1, 10_300), { waitMs: limits.rateLimit.probeMs - 300, reason: 'probe' })
})

t.test('a wait that Procore asks for is at most one hour, and after it one request probes', async t => {
  const hourMs = limits.rateLimit.waitMaxMs
  const farDate = new Date(5 * 365 * 86_400_000).toUTCString()
  for (const retryAfter of ['3601', '999999999', '9999999999', '9'.repeat(400), farDate]) {
    for (const status of [429, 503]) {
      await t.test(`${status} with Retry-After: ${retryAfter.slice(0, 30)}`, async t => {
        const throttled = parseRateLimitUpdate(response(status, { 'retry-after': retryAfter }), 0)
        const state = applyUpdate(initialState, throttled, 0, 0)
        t.match(waitFor(state, 0, 0), { waitMs: hourMs, isFirm: true })
        t.equal(waitFor(state, 0, hourMs), undefined)
        t.match(waitFor(state, 1, hourMs), { reason: 'probe' })
      })
    }
  }
  for (const reset of ['3601', '157680000', '157680000000', '999999999999999']) {
    await t.test(`no remaining requests until a reset at ${reset}`, async t => {
      const headers = { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': reset }
      const state = applyUpdate(initialState, parseRateLimitUpdate(response(200, headers), 0), 0, 0)
      t.match(waitFor(state, 0, 0), { waitMs: hourMs, isFirm: true })
      t.equal(waitFor(state, 0, hourMs), undefined)
    })
  }
})

t.test('Retry-After is at most one hour, whatever Procore asks for', async t => {
  for (const [status, code] of [[429, 'procore_rate_limited'], [503, 'procore_unavailable']] as const) {
    await t.test(`with ${status}`, async t => {
      const { usersUrl, emulator } = await startService(t)
      emulator.faults.add({ kind: 'status', status, body: '', headers: { 'retry-after': '9999999999' } })
      t.match(await sendJson(usersUrl, userBody(1)), {
        headers: { 'retry-after': '3600' }, json: { status, code, outcome: 'rejected' },
      })
      t.match(await sendJson(usersUrl, userBody(2)), {
        headers: { 'retry-after': /^3(600|59\d)$/ }, json: { status, code, outcome: 'not_sent' },
      })
    })
  }
})

t.test('windows whose headers differ in every response are limited in number and in size', async t => {
  let state = initialState
  for (let index = 0; index < 1000; index++) {
    const headers = {
      'x-rate-limit-limit': 'x'.repeat(10_000),
      'x-rate-limit-remaining': String(2000 - index),
      'x-rate-limit-reset': String(3000 + index),
    }
    state = applyUpdate(state, parseRateLimitUpdate(response(200, headers), 0), 0, 0)
  }
  t.equal(state.windows.length, limits.rateLimit.windowsMax)
  t.ok(state.windows.some(({ remaining }) => remaining === 1001), 'the strictest ones stay')
  t.ok(JSON.stringify(state).length < 2000)
  t.strictSame(parseState(JSON.stringify(state)), state)
})

t.test('a request without a response counts if it was sent completely', async t => {
  const failure: Omit<ExchangeFailure, 'requestSent'> = {
    kind: 'failure', phase: 'wait', timedOut: true, aborted: false, cause: new Error('late')
  }
  let state = report(initialState, { ...seconds, remaining: 1 }, 0)
  state = applyUpdate(state, parseRateLimitUpdate({ ...failure, requestSent: false }, 0), 1, 1)
  t.equal(waitFor(state, 0, 1), undefined)
  state = applyUpdate(state, parseRateLimitUpdate({ ...failure, requestSent: true }, 0), 1, 1)
  t.match(waitFor(state, 0, 1), { waitMs: 9_999, isFirm: true })
})

t.test('a stored state of another version is replaced after a probe', async t => {
  const state = report(initialState, hour, 0)
  t.strictSame(parseState(JSON.stringify(state)), state)
  for (const json of ['', 'null', '{"windows":[]}']) t.equal(parseState(json), initialState)
})

/** Acquires the last request of a window, so that further requests wait for its permit to be released. */
async function acquireLast (rateLimiter: RateLimiter): Promise<Permit> {
  const request = { companyId: 1, purpose: 'change' as const, maxWaitMs: 0, signal: new AbortController().signal }
  const reportedWindow = { name: 'minute', remaining: 1, limit: 2, resetMs: 60_000 }
  const permit = await rateLimiter.acquire(request)
  permit.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined })
  return rateLimiter.acquire(request)
}

t.test('companies that share one rate limit take turns', async t => {
  const rateLimiter = new RateLimiter({ rateLimitScope: 'service' })
  const { signal } = new AbortController()
  const lastPermit = await acquireLast(rateLimiter)
  const order: string[] = []
  const disconnect = new AbortController()
  const acquisitions = ['1a', '1b', '1c', '1d', '2a', '2b', '3a'].map(async name => {
    const ownSignal = name === '1d' ? disconnect.signal : signal
    const options = { purpose: 'change' as const, maxWaitMs: 10_000, signal: ownSignal }
    const permit = await rateLimiter.acquire({ companyId: Number(name[0]), ...options })
    order.push(name)
    permit.release()
  })
  await waitUntil(() => rateLimiter.waitingCount === 7)
  disconnect.abort(new Error('disconnected'))
  const results = Promise.allSettled(acquisitions)
  lastPermit.release()
  t.equal((await results).filter(({ status }) => status === 'rejected').length, 1)
  t.strictSame(order, ['1a', '2a', '3a', '1b', '2b', '1c'])
  t.equal(rateLimiter.waitingCount, 0)
})

t.test('a request whose signal aborts is rejected with the reason of the signal', async t => {
  const rateLimiter = new RateLimiter({ rateLimitScope: 'company' })
  const options = { companyId: 1, purpose: 'change' as const, maxWaitMs: 10_000 }
  const reason = new Error('disconnected')
  const permit = await acquireLast(rateLimiter)
  await t.rejects(rateLimiter.acquire({ ...options, signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const waiting = rateLimiter.acquire({ ...options, signal: controller.signal })
  await waitUntil(() => rateLimiter.waitingCount === 1)
  controller.abort(reason)
  await t.rejects(waiting, reason)
  permit.release()
  rateLimiter.stop()
})

t.test('invalid forms, which never reach Procore completely, do not use up the rate limit', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  t.equal((await sendJson(service.usersUrl, userBody(0))).status, 201)
  const invalidForm = multipartBody([
    { name: 'user[avatar]', filename: 'a.png', data: png(600_000) },
    { name: 'user[last_name]', data: 'Doe' },
  ])
  for (let index = 0; index < 6; index++) t.equal((await sendMultipart(service.usersUrl, invalidForm)).status, 422)
  t.equal((await sendJson(service.usersUrl, userBody(1))).status, 201)
})

t.test('an outage of the login host does not use up the rate limit', async t => {
  const service = await startService(t, { emulator: { rateLimit: 5, rateWindowSeconds: 60 } })
  t.equal((await sendJson(service.usersUrl, userBody(0))).status, 201)
  service.emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  service.emulator.api.revokeAccessTokens()
  for (let index = 1; index < 10; index++) {
    const { json } = await sendJson(service.usersUrl, userBody(index))
    t.match(json, { status: 503, code: 'procore_unavailable' })
  }
  service.emulator.faults.clear()
  await service.app.procore.accessTokens.get().catch(() => {})
  await waitUntil(() => service.app.procore.accessTokens.current() !== undefined)
  t.equal((await sendJson(service.usersUrl, userBody(20))).status, 201)
})

t.test('after a 401 the request is retried even if it may not wait for the rate limit', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' } })
  emulator.api.revokeAccessTokens()
  t.equal((await sendJson(usersUrl, userBody(0))).status, 201)
})

t.test('requests that may not wait for the rate limit still wait for the probe of a new window', async t => {
  const service = await startService(t, {
    emulator: { rateLimit: 40, rateWindowSeconds: 1 }, env: { RATE_LIMIT_MAX_WAIT_MS: '0' }
  })
  await sendJson(service.usersUrl, userBody(0))
  await new Promise(resolve => setTimeout(resolve, 2100))
  const responses = await createMany(service.usersUrl, 10, 1)
  t.equal(countStatus(responses, 201), 10)
})

// It measures CPU time, so it must not run beside other tests.
t.test('beyond the limit of companies the oldest idle one is evicted', { buffered: false }, async t => {
  const rateLimiter = new RateLimiter({ rateLimitScope: 'company' })
  const { companiesMax } = limits.rateLimit
  const options = { purpose: 'change' as const, maxWaitMs: 0, signal: new AbortController().signal }
  const firstPermit = await rateLimiter.acquire({ companyId: 1, ...options })
  const startedAt = process.cpuUsage().user
  for (let companyId = 2; companyId < companiesMax * 3; companyId++) {
    const permit = await rateLimiter.acquire({ companyId, ...options })
    permit.release()
  }
  t.ok(rateLimiter.companyCount <= companiesMax && rateLimiter.companyCount > companiesMax / 2)
  t.ok(process.cpuUsage().user - startedAt < 5_000_000, 'eviction does not iterate over all companies each time')
  firstPermit.release()
})
