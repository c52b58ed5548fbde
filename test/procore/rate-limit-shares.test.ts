// Tests how the callers of a company share Procore's rate limit: none takes what belongs to all.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { RateLimiter } from '../../src/procore/rate-limit/limiter.ts'
import { initialState, restrict, type RateLimitState } from '../../src/procore/rate-limit/state.ts'
import {
  addRequests, alignPeriod, getHourUsage, initialUsage, shareExhaustedUntilMs
} from '../../src/procore/rate-limit/usage.ts'
import { startRedis } from '../helpers/redis.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { skipWithoutRedis } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.jobs = 4

const callers = { a: '192.0.2.1', b: '192.0.2.2', c: '192.0.2.3' }
const identifiesCallers = { TRUSTED_PROXIES: '127.0.0.1' }

let nextIndex = 0
const create = ({ usersUrl }: Pick<Service, 'usersUrl'>, caller: keyof typeof callers) => {
  const body = { user: { ...jane, email_address: `jane${nextIndex++}@example.com` } }
  return sendJson(usersUrl, body, { 'x-forwarded-for': callers[caller] })
}
const list = ({ usersUrl }: Pick<Service, 'usersUrl'>, caller: keyof typeof callers) => {
  return send(usersUrl, { method: 'GET', headers: { 'x-forwarded-for': callers[caller] } })
}

/** Sends requests one after the other until one is refused. Returns the number that passed, and the refusal. */
async function countUntilRefused (request: () => ReturnType<typeof create>) {
  for (let passed = 0; ; passed++) {
    const response = await request()
    if (response.status >= 400) return { passed, refusal: response.json }
    if (passed > 1000) throw new Error('nothing was refused')
  }
}

const startLimited = (t: Test, rateLimit: number, rateWindowSeconds = 600) => {
  return startService(t, { emulator: { rateLimit, rateWindowSeconds }, env: identifiesCallers })
}

t.test('a caller that only reads leaves the last fifth of a window to creates', async t => {
  const service = await startLimited(t, 20)
  const { passed, refusal } = await countUntilRefused(() => list(service, 'a'))
  t.equal(passed, 16)
  t.match(refusal, { status: 429, code: 'procore_rate_limited', detail: /reserved for single creates/ })
  for (let index = 0; index < 4; index++) t.equal((await create(service, 'a')).status, 201)
  t.match(await create(service, 'a'), { status: 429 })
  t.match((await list(service, 'a')).json, { status: 429, detail: /is exhausted/ }, 'nothing is left that is reserved')
})

t.test('concurrent reads leave the last fifth of a window to creates', async t => {
  const service = await startLimited(t, 20)
  await list(service, 'a')
  await Promise.all(Array.from({ length: 40 }, () => list(service, 'a')))
  t.equal(service.emulator.apiRequests.length, 16)
})

t.test('a lookup after a create may use the last fifth', async t => {
  const service = await startLimited(t, 20)
  await countUntilRefused(() => list(service, 'a'))
  service.emulator.faults.add({ kind: 'reset-after-body' })
  t.match(await create(service, 'a'), { status: 201, headers: { 'x-outcome': 'recovered' } })
})

t.test('a caller gets at most a quarter of a window in which others were active', async t => {
  const service = await startLimited(t, 40)
  t.equal((await create(service, 'b')).status, 201)
  const { passed, refusal } = await countUntilRefused(() => create(service, 'a'))
  t.equal(passed, 10)
  t.match(refusal, { status: 429, code: 'procore_rate_limited', outcome: 'not_sent', detail: /its share/ })
  t.equal((await create(service, 'b')).status, 201, 'the others are not delayed')
  t.equal((await create(service, 'c')).status, 201)
})

t.test('a caller that is alone gets the whole window', async t => {
  const service = await startLimited(t, 10)
  t.equal((await countUntilRefused(() => create(service, 'a'))).passed, 10)
})

t.test('the share of a caller is counted by all replicas together', { skip: skipWithoutRedis }, async t => {
  const redis = await startRedis(t)
  const env = { ...identifiesCallers, REDIS_URL: redis.url }
  const first = await startService(t, { emulator: { rateLimit: 40, rateWindowSeconds: 600 }, env })
  const second = await startService(t, { procoreUrl: first.emulator.url, env })
  t.equal((await create(first, 'b')).status, 201)
  let turn = 0
  const { passed } = await countUntilRefused(() => create(turn++ % 2 === 0 ? first : second, 'a'))
  t.equal(passed, 10)
  t.equal((await create(second, 'b')).status, 201)
  const stored = await redis.client.get('procore-bff:procore-rate-limit:101')
  t.notMatch(stored, callers.a, 'callers are stored under pseudonyms')
})

t.test('the callers of a company take turns', async t => {
  const rateLimiter = new RateLimiter({ rateLimitScope: 'company' })
  const { signal } = new AbortController()
  const request = { companyId: 1, purpose: 'change' as const, maxWaitMs: 10_000, signal }
  const first = await rateLimiter.acquire(request)
  const reportedWindow = { name: 'minute', remaining: 1, limit: null, resetMs: 60_000 }
  first.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined })
  const last = await rateLimiter.acquire(request)
  const order: string[] = []
  const acquisitions = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map(async name => {
    const permit = await rateLimiter.acquire({ ...request, callerId: name.charAt(0) })
    order.push(name)
    permit.release()
  })
  await waitUntil(() => rateLimiter.waitingCount === 7)
  last.release()
  await Promise.all(acquisitions)
  t.strictSame(order, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
})

t.test('reads that wait do not delay creates', async t => {
  const rateLimiter = new RateLimiter({ rateLimitScope: 'company' })
  const request = { companyId: 1, maxWaitMs: 10_000, signal: new AbortController().signal }
  const first = await rateLimiter.acquire({ ...request, purpose: 'read' as const })
  const reportedWindow = { name: 'minute', remaining: 3, limit: 10, resetMs: 5_000 }
  first.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined })
  const inFlight = await rateLimiter.acquire({ ...request, purpose: 'read' as const })
  const controller = new AbortController()
  const read = rateLimiter.acquire({ ...request, purpose: 'read' as const, signal: controller.signal })
  await waitUntil(() => rateLimiter.waitingCount === 1)
  await rateLimiter.acquire({ ...request, purpose: 'change' as const })
  t.equal(rateLimiter.waitingCount, 1, 'the read still waits')
  controller.abort(new Error('disconnected'))
  await t.rejects(read)
  inFlight.release()
  rateLimiter.stop()
})

t.test('the counts of callers', async t => {
  const window = { name: '40 600', remaining: 40, limit: 40, resetAtMs: 600_000 }
  const count = (requests: Record<string, number>) => {
    return Object.entries(requests).reduce(
      (usage, [callerId, requestCount]) => addRequests(usage, callerId, requestCount, 0),
      alignPeriod(initialUsage, window, 0)
    )
  }
  const exhausted = (requests: Record<string, number>, nowMs = 0) => {
    return shareExhaustedUntilMs(count(requests), [], 'a', nowMs)
  }

  await t.test('end with the window', async t => {
    t.equal(exhausted({ a: 10, b: 1 }), 600_000)
    t.equal(exhausted({ a: 10, b: 1 }, 600_000), undefined)
  })
  await t.test('do not restrict a caller that has used less than its share', async t => {
    t.equal(exhausted({ a: 9, b: 31 }), undefined)
  })
  await t.test('do not restrict the only caller', async t => t.equal(exhausted({ a: 40 }), undefined))
  await t.test('do not include requests that were not sent', async t => {
    t.equal(shareExhaustedUntilMs(addRequests(count({ a: 10, b: 1 }), 'a', -1, 0), [], 'a', 0), undefined)
  })
  await t.test('work for a caller that is named like a property of all objects', async t => {
    const usage = addRequests(count({ a: 40 }), '__proto__', 10, 0)
    t.equal(shareExhaustedUntilMs(usage, [], '__proto__', 0), 600_000)
    t.equal(shareExhaustedUntilMs(usage, [], 'constructor', 0), undefined)
  })
  await t.test('are limited in number, and a caller that sends much is counted whenever it comes', async t => {
    const { countedCallersMax } = limits.rateLimit
    let usage = alignPeriod(initialUsage, { ...window, name: '3600 600', limit: 3600, remaining: 3600 }, 0)
    for (let index = 0; index < 1000; index++) usage = addRequests(usage, `caller ${index}`, 1, 0)
    const isExhausted = () => shareExhaustedUntilMs(usage, [], 'late', 0) !== undefined
    let passed = 0
    for (; !isExhausted() && passed < 2000; passed++) usage = addRequests(usage, 'late', 1, 0)
    t.ok(passed <= 900 && passed >= 900 - 1000 / countedCallersMax - 1, `${passed} requests`)
    t.equal(Object.keys(usage.hour.byCaller).length, countedCallersMax)
    t.equal(usage.hour.total, 1000 + passed)
    t.equal(shareExhaustedUntilMs(usage, [], 'caller 1', 0), undefined)
    t.strictSame(addRequests(usage, 'caller 1', -1, 0).hour.byCaller, usage.hour.byCaller, 'replaced meanwhile')
  })
  await t.test('of others stay when the total is corrected by what Procore has counted', async t => {
    const early = addRequests(addRequests(initialUsage, 'a', 500, 0), 'b', 10, 0)
    const aligned = alignPeriod(early, { ...window, limit: 1000, remaining: 600 }, 0)
    t.equal(shareExhaustedUntilMs(aligned, [], 'a', 0), 600_000)
  })
  await t.test('that began before the window are corrected by what Procore has counted', async t => {
    const early = addRequests(initialUsage, 'a', 500, 0)
    t.equal(alignPeriod(early, { ...window, limit: 3600, remaining: 3590 }, 0).hour.total, 10)
  })
  await t.test('of the hour restrict reads while Procore reports the short window only', async t => {
    const usage = alignPeriod(initialUsage, { name: 'h', remaining: 3600, limit: 3600, resetAtMs: 3_600_000 }, 0)
    const state = { ...initialState, usage: addRequests(usage, 'a', 2880, 0) }
    const read = { callerId: 'a', purpose: 'read' as const }
    t.strictSame(restrict(state, 0, 0, read), { waitMs: 3_600_000, isFirm: true, reason: 'reserve' })
    t.equal(restrict(state, 0, 0, { ...read, purpose: 'change' as const }), undefined)
  })
})

t.test('while Procore reports the short window only', async t => {
  const resetAtMs = 10_000
  /** The state after so many requests of each caller, with so many left in the short window. */
  const stateAfter = (requests: Record<string, number>, remaining: number): RateLimitState => {
    const usage = Object.entries(requests).reduce(
      (known, [callerId, requestCount]) => addRequests(known, callerId, requestCount, 0), initialUsage
    )
    const window = { name: '100 10', remaining, limit: 100, resetAtMs }
    const { short, hour } = alignPeriod(usage, window, 0)
    return { ...initialState, windows: [window], usage: { short: { ...short, byCaller: {} }, hour } }
  }
  const read = { callerId: 'a', purpose: 'read' as const }
  const create = { callerId: 'a', purpose: 'change' as const }

  await t.test('reads leave the last fifth of the hour to creates', async t => {
    t.equal(restrict(stateAfter({ a: 2879 }, 99), 0, 0, read), undefined)
    const state = stateAfter({ a: 2880 }, 99)
    t.strictSame(restrict(state, 0, 0, read), { waitMs: 3_600_000, isFirm: true, reason: 'reserve' })
    t.equal(restrict(state, 0, 0, create), undefined)
    t.match(restrict(state, 0, resetAtMs, read), { reason: 'reserve' }, 'after the short window')
  })
  await t.test('a caller gets at most a quarter of the hour in which others were active', async t => {
    t.equal(restrict(stateAfter({ a: 899, b: 1 }, 99), 0, 0, create), undefined)
    t.match(restrict(stateAfter({ a: 900, b: 1 }, 99), 0, 0, create), { waitMs: 3_600_000, reason: 'share' })
    t.equal(restrict(stateAfter({ a: 900 }, 99), 0, 0, create), undefined, 'unless it is alone')
  })
  await t.test('the limit of an earlier hour is assumed', async t => {
    const state = stateAfter({ a: 480 }, 99)
    state.usage.hour.limit = 600
    t.match(restrict(state, 0, 0, read), { reason: 'reserve' })
  })
  await t.test('an assumed limit is not enforced if Procore allows more', async t => {
    t.equal(restrict(stateAfter({ a: 3502, b: 1 }, 99), 0, 0, read), undefined)
    t.equal(restrict(stateAfter({ a: 3601, b: 1 }, 99), 0, resetAtMs, read), undefined)
    t.equal(restrict(stateAfter({ a: 2880, b: 1 }, 721), 0, 0, read), undefined)
  })
  await t.test('no limit is assumed if Procore reports none', async t => {
    const state = { ...initialState, usage: addRequests(initialUsage, 'a', 3000, 0) }
    t.equal(restrict(state, 0, 0, read), undefined)
  })
})

t.test('at 80 % of an hour there is one warning, and a metric', async t => {
  const service = await startLimited(t, 10)
  const warnings = () => service.lines.filter(({ msg }) => msg === 'most of Procore\'s hourly rate limit is used')
  for (let index = 0; index < 7; index++) await create(service, 'a')
  t.strictSame(warnings(), [])
  for (let index = 0; index < 3; index++) await create(service, 'a')
  t.match(warnings(), [{ level: 'warn', companyId: 101, used: 8, limit: 10 }])
  t.equal(warnings().length, 1)
  const metrics = await send(`${service.url}/metrics`, { method: 'GET' })
  t.match(metrics.text, /^procore_bff_rate_limit_hour_used_ratio\{company_id="101"\} 1$/m)
})

t.test('the use of an hour', async t => {
  const hour = { name: 'hour', remaining: 3590, limit: 3600, resetAtMs: 3_600_000 }
  await t.test('is unknown before the first request', async t => {
    t.equal(getHourUsage(initialUsage, [], 0), undefined)
  })
  await t.test('is counted while Procore reports the short window only', async t => {
    const short = { name: 'short', remaining: 99, limit: 100, resetAtMs: 10_000 }
    const usage = addRequests(alignPeriod(initialUsage, short, 0), 'a', 3000, 0)
    t.strictSame(getHourUsage(usage, [short], 0), { used: 3000, limit: 3600 }, 'the limit is assumed')
  })
  await t.test('includes what Procore counted for others', async t => {
    const usage = alignPeriod(addRequests(initialUsage, 'a', 1, 0), { ...hour, limit: 600, remaining: 100 }, 0)
    t.strictSame(getHourUsage(usage, [{ ...hour, limit: 600, remaining: 100 }], 0), { used: 500, limit: 600 })
  })
  await t.test('ends with the hour, and the limit stays known', async t => {
    const usage = addRequests(alignPeriod(initialUsage, { ...hour, limit: 600 }, 0), 'a', 10, 0)
    t.equal(getHourUsage(usage, [], 3_600_000), undefined)
    t.strictSame(getHourUsage(addRequests(usage, 'a', 1, 3_600_000), [], 3_600_000), { used: 1, limit: 600 })
  })
})

t.test('an import does not take the last third of a window, which is left for single creates', async t => {
  const { signal } = new AbortController()
  const rateLimiter = new RateLimiter({ rateLimitScope: 'company' })
  const request = { companyId: 1, maxWaitMs: 0, signal }
  const first = await rateLimiter.acquire({ ...request, purpose: 'import' })
  const reportedWindow = { name: '30 x', remaining: 10, limit: 30, resetMs: 60_000 }
  first.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined })
  await t.rejects(rateLimiter.acquire({ ...request, purpose: 'import' }), { code: 'procore_rate_limited' })
  const read = await rateLimiter.acquire({ ...request, purpose: 'read' })
  const create = await rateLimiter.acquire({ ...request, purpose: 'change' })
  read.release()
  create.release()
})
