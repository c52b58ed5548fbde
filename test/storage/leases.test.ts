// Leases on keys, permits and locks last as long as their replica lives, and expire soon after it died.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { Secret } from '../../src/config/secret.ts'
import { RateLimit, type Permit } from '../../src/procore/rate-limit/rate-limit.ts'
import { initialState, parseState, type Wait } from '../../src/procore/rate-limit/state.ts'
import type { CompletedRecord, IndeterminateRecord } from '../../src/storage/idempotency-store.ts'
import { MemoryIdempotencyStore } from '../../src/storage/memory-idempotency-store.ts'
import { RedisIdempotencyStore } from '../../src/storage/redis-idempotency-store.ts'
import { RedisConnection } from '../../src/storage/redis.ts'
import { Encryptor } from '../../src/storage/encryption.ts'
import { SharedRateLimiter } from '../../src/storage/shared-rate-limit.ts'
import { FallbackIdempotencyStore } from '../../src/storage/fallback-idempotency-store.ts'
import { withSharedAccessToken } from '../../src/storage/shared-token.ts'
import { startRedis } from '../helpers/redis.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'

/** The lease is longer than a busy machine delays a process. */
const leaseTiming = { leaseMs: 1000, leaseRenewMs: 200 }
const createEncryptor = () => new Encryptor(new Secret('a secret of the test'))
const createStore = (redis: RedisConnection) => {
  return new RedisIdempotencyStore(redis, [createEncryptor()], createEncryptor(), leaseTiming)
}

// Most of the time is spent waiting for leases to expire.
t.jobs = 4

async function connectToRedis (t: Test, timeoutMs = 10_000): Promise<RedisConnection> {
  const server = await startRedis(t)
  const redis = new RedisConnection(new Secret(server.url), createLog({ level: 'silent' }, { write: () => {} }))
  redis.timeoutMs = timeoutMs
  t.teardown(() => redis.close())
  await redis.start()
  return redis
}

/** Creates the same object for two replicas: one that will die, and one that lives on. */
function createPair<T extends { close (): void }> (t: Test, create: () => T): { dying: T, living: T } {
  const pair = { dying: create(), living: create() }
  t.teardown(() => {
    pair.dying.close()
    pair.living.close()
  })
  return pair
}

const pseudonymize = (callerId: string) => callerId

/** A create of one caller. */
const purpose = { callerId: 'a', purpose: 'change' as const }

/** Creates what two replicas know of one rate limit. A replica that dies releases no permits. */
function createRateLimits (redis: RedisConnection): { dying: RateLimit, living: RateLimit } {
  const create = () => new RateLimit(101, new SharedRateLimiter(redis, pseudonymize, leaseTiming))
  return { dying: create(), living: create() }
}

/** Acquires a permit. Returns undefined if the request has to wait. */
async function acquire (rateLimit: RateLimit): Promise<Permit | undefined> {
  const reply = await rateLimit.tryAcquire(purpose)
  return 'release' in reply ? reply : undefined
}

/** Lets one request report what remains. */
async function reportRemaining (
  redis: RedisConnection, rateLimit: RateLimit, remaining: number, { name = 'minute', resetMs = 60_000 } = {}
): Promise<void> {
  const permit = await acquire(rateLimit)
  const reportedWindow = { name, remaining, limit: 10, resetMs }
  permit?.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined })
  await redis.waitUntilIdle()
}

/** Repeats a check for twice as long as a lease lasts without renewal. */
async function repeatForTwoLeases (check: () => Promise<void>): Promise<void> {
  for (const endsAtMs = Date.now() + leaseTiming.leaseMs * 2; Date.now() < endsAtMs;) {
    await check()
    await sleep(50)
  }
}

/** Polls until the function returns a value. */
async function pollUntilDefined<T> (poll: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await poll()
    if (value !== undefined) return value
    await sleep(20)
  }
}

/** Waits until requests have to wait for the reset. */
async function waitUntilExhausted (rateLimit: RateLimit): Promise<Wait> {
  return pollUntilDefined(async () => {
    const reply = await rateLimit.tryAcquire(purpose)
    return 'isFirm' in reply && reply.isFirm ? reply : undefined
  })
}

/** Ends the windows of the stored rate limit now. */
async function endWindows (redis: RedisConnection): Promise<void> {
  const redisKey = 'procore-bff:procore-rate-limit:101'
  const state = parseState(await redis.run(client => client.get(redisKey)) ?? '')
  const windows = state.windows.map(window => ({ ...window, resetAtMs: Date.now() }))
  await redis.run(client => client.set(redisKey, JSON.stringify({ ...state, windows })))
}

t.test('the last permit counts as used after its lease, until the reset', { skip }, async t => {
  const redis = await connectToRedis(t)
  const { dying, living } = createRateLimits(redis)
  await reportRemaining(redis, dying, 1)
  t.ok(await acquire(dying), 'the last remaining permit')
  t.match(await living.tryAcquire(purpose), { isFirm: false, reason: 'rate' }, 'it may be released')
  t.match(await waitUntilExhausted(living), { reason: 'rate' }, 'it may have been used')
  t.notOk(await acquire(living), 'in this window')
  await endWindows(redis)
  t.ok(await pollUntilDefined(() => acquire(living)), 'in the next window')
})

t.test('a key is running while its replica lives, and unknown when the replica died', { skip }, async t => {
  const redis = await connectToRedis(t)
  const { dying, living } = createPair(t, () => createStore(redis))
  const startedAtMs = Date.now()
  t.equal(await dying.claim('a', undefined), undefined)
  const claimedAtMs = Date.now()
  await repeatForTwoLeases(async () => { t.match(await living.claim('a', undefined), { state: 'running' }) })
  dying.close()
  let requestedAtMs = 0
  const lost = await pollUntilDefined(async () => {
    requestedAtMs = Date.now()
    const found = await living.claim('a', undefined)
    return found?.state === 'running' ? undefined : found
  })
  const replyMs = Date.now() - requestedAtMs
  t.match(lost, { state: 'unknown', fingerprint: '' })
  const sentAtMs = lost.state === 'unknown' ? lost.sentAtMs : NaN
  t.ok(sentAtMs >= startedAtMs - 1 && sentAtMs <= claimedAtMs + replyMs + 1, 'as precise as the reply allows')
})

t.test('the requests in flight of a replica that died count as sent', { skip }, async t => {
  const redis = await connectToRedis(t)
  const { dying, living } = createRateLimits(redis)
  await reportRemaining(redis, dying, 4)
  for (const permit of [1, 2, 3]) t.ok(await acquire(dying), `${permit} of 4`)
  await sleep(leaseTiming.leaseMs)
  t.ok(await acquire(living), 'the fourth one')
  t.match(await living.tryAcquire(purpose), { reason: 'rate' })
})

t.test('replicas that store responses at the same time lose none', { skip }, async t => {
  const redis = await connectToRedis(t)
  const { dying: first, living: second } = createRateLimits(redis)
  await reportRemaining(redis, first, 100)
  const replicas = Array.from({ length: 40 }, (_, index) => index % 2 === 0 ? first : second)
  const permits = await Promise.all(replicas.map(acquire))
  for (const [index, permit] of permits.entries()) {
    const reportedWindow = { name: 'minute', remaining: 99 - index, limit: 100, resetMs: 60_000 }
    permit?.release({ hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined })
  }
  const readState = async () => {
    return parseState(await redis.run(client => client.get('procore-bff:procore-rate-limit:101')) ?? '')
  }
  await pollUntilDefined(async () => Object.keys((await readState()).leases).length === 0 ? true : undefined)
  const third = new RateLimit(101, new SharedRateLimiter(redis, pseudonymize))
  t.ok(await acquire(third))
  t.match(third.state.windows, [{ name: 'minute', remaining: 60 }])
})

t.test('an exhausted short window delays until its own reset, not that of a longer window', { skip }, async t => {
  const redis = await connectToRedis(t)
  const { dying, living } = createRateLimits(redis)
  await reportRemaining(redis, dying, 2, { name: 'hour', resetMs: 3_600_000 })
  await reportRemaining(redis, dying, 0, { name: 'moment', resetMs: 10_000 })
  const { waitMs } = await waitUntilExhausted(living)
  t.ok(waitMs <= 10_000)
})

t.test('a stored wait of years is shortened to one hour, once for all replicas', { skip }, async t => {
  const redis = await connectToRedis(t)
  const redisKey = 'procore-bff:procore-rate-limit:101'
  const years = Date.now() + 157_680_000_000
  const window = { name: '3600 1', remaining: 0, limit: 3600, resetAtMs: years }
  const stored = { ...initialState, windows: [window], throttledUntilMs: years }
  await redis.run(client => client.set(redisKey, JSON.stringify(stored)))
  for (const restarted of ['first', 'second']) {
    const { living } = createRateLimits(redis)
    const waits = await living.tryAcquire(purpose)
    t.ok('waitMs' in waits && waits.waitMs > 3_500_000 && waits.waitMs <= 3_600_000, restarted)
    await redis.waitUntilIdle()
  }
  const shortened = parseState(await redis.run(client => client.get(redisKey)) ?? '')
  t.ok(shortened.throttledUntilMs > 0 && shortened.throttledUntilMs <= Date.now() + 3_600_000)
  t.ok(shortened.windows.every(({ resetAtMs }) => resetAtMs <= Date.now() + 3_600_000))
})

t.test('a key that Redis loses while its request runs is written again', { skip }, async t => {
  const redis = await connectToRedis(t)
  const { dying: running, living: other } = createPair(t, () => {
    return createStore(redis)
  })
  t.equal(await running.claim('a', undefined), undefined)
  await redis.run(client => client.flushall())
  await pollUntilDefined(async () => {
    return await redis.run(client => client.exists('procore-bff:key:a')) === 1 ? true : undefined
  })
  t.match(await other.claim('a', undefined), { state: 'running' })
  await running.release('a')
  await sleep(leaseTiming.leaseRenewMs * 2)
  t.equal(await other.peek('a'), undefined, 'it is free after the request')
})

t.test('a completed record is never replaced by an unknown outcome of another replica', { skip }, async t => {
  const redis = await connectToRedis(t)
  const fallback = new FallbackIdempotencyStore(
    createStore(redis), new MemoryIdempotencyStore(), 'refuse'
  )
  const other = createStore(redis)
  const indeterminate: IndeterminateRecord = {
    state: 'unknown',
    fingerprint: 'f',
    sentAtMs: Date.now(),
    code: 'procore_timeout',
  }
  const completed: CompletedRecord = {
    state: 'answered',
    fingerprint: 'f',
    result: { kind: 'rejection', status: 422, body: { message: 'no', faults: [] } },
    procoreRequestId: undefined,
    sentAtMs: Date.now(),
  }
  t.equal(await fallback.claim('a', undefined), undefined)
  await fallback.settle('a', indeterminate, '')
  t.match(await fallback.claim('a', undefined), { state: 'unknown' })
  await other.settle('a', completed)
  t.match(await fallback.claim('a', undefined), { state: 'answered' })
  await other.settle('a', indeterminate)
  t.match(await other.claim('a', undefined), { state: 'answered' })
  other.close()
})

t.test('a lock whose reply came too late does not block the replica that holds it', { skip }, async t => {
  const redis = await connectToRedis(t, limits.redis.timeoutMs)
  let requestCount = 0
  const fetchSharedToken = withSharedAccessToken(redis, createEncryptor(), async () => {
    requestCount++
    return { value: 'token', issuedAtMs: performance.now(), lifetimeMs: 60_000 }
  })
  // Redis grants the lock at the end of the pause, after the call has timed out.
  await redis.run(client => client.call('CLIENT', 'PAUSE', limits.redis.timeoutMs * 1.3, 'WRITE'))
  t.match(await fetchSharedToken(undefined), { value: 'token' })
  t.equal(requestCount, 1)
  t.match(await fetchSharedToken('token'), { value: 'token' }, 'the lock is free')
})
