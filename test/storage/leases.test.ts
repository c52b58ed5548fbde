// What a replica holds that others wait for ends soon after it died, and not while it is alive.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { Secret } from '../../src/config/secret.ts'
import type { CompletedRecord, IndeterminateRecord } from '../../src/storage/idempotency-store.ts'
import { MemoryIdempotencyStore } from '../../src/storage/memory-idempotency-store.ts'
import { RedisIdempotencyStore } from '../../src/storage/redis-idempotency-store.ts'
import { RedisConnection } from '../../src/storage/redis.ts'
import { Encryptor } from '../../src/storage/encryption.ts'
import { SharedRateLimiter, type Acquisition } from '../../src/storage/shared-rate-limit.ts'
import { FallbackIdempotencyStore } from '../../src/storage/fallback-idempotency-store.ts'
import { withSharedAccessToken } from '../../src/storage/shared-token.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'

const skip = !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed'
/** As long as a busy machine keeps a process waiting, and longer. */
const lease = { leaseMs: 1000, leaseRenewMs: 200 }
const secret = () => new Secret('a secret of the test')

// Most of the time is waiting for leases to end.
t.jobs = 4

async function openStore (t: Test): Promise<RedisConnection> {
  const redis = await startRedis(t)
  const store = new RedisConnection(new Secret(redis.url), createLog({ level: 'silent' }))
  t.teardown(() => store.close())
  await store.start()
  return store
}

/** What two replicas make of one store: one that is going to die, and one that lives on. */
function twoOf<T extends { close (): void }> (t: Test, make: () => T): { dying: T, living: T } {
  const two = { dying: make(), living: make() }
  t.teardown(() => {
    two.dying.close()
    two.living.close()
  })
  return two
}

/** What an answer tells of a window with so much left. */
const news = (remaining: number, resetMs = 60_000) => ({ hasResponse: true, mayBeCounted: true, reportedWindow: { name: 'minute', remaining, limit: 10, resetMs }, throttle: undefined })

/** Lets one request of this replica learn what remains. */
async function learn (store: RedisConnection, allowance: SharedRateLimiter, remaining: number, resetMs?: number): Promise<void> {
  const first = await allowance.acquire(101, false)
  if (first.granted) first.release(news(remaining, resetMs))
  await store.waitUntilIdle()
}

/** Asks again and again for twice as long as a lease lasts without a word. */
async function forTwoLeases (ask: () => Promise<void>): Promise<void> {
  for (const endsAtMs = Date.now() + lease.leaseMs * 2; Date.now() < endsAtMs;) {
    await ask()
    await sleep(50)
  }
}

/** Asks until the answer is another one than while the lease was running. */
async function once<T> (ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await sleep(20)
  }
}

t.test('the last place of the allowance is held as long as its replica lives, spent when it is dead, and free with the next window', { skip }, async t => {
  const store = await openStore(t)
  const { dying, living } = twoOf(t, () => new SharedRateLimiter(store, lease))
  await learn(store, dying, 1, 6000)
  t.match(await dying.acquire(101, false), { granted: true }, 'the one that remains')
  await forTwoLeases(async () => { t.match(await living.acquire(101, false), { granted: false, reason: 'probe' }, 'it may be given back') })
  dying.close()
  t.ok(await once(async () => whyNot(await living.acquire(101, false)) === 'rate' ? true : undefined), 'nobody knows whether it was used')
  t.ok(await once(async () => (await living.acquire(101, false)).granted ? true : undefined))
})

const whyNot = (entrance: Acquisition) => entrance.granted ? undefined : entrance.reason

t.test('a key', { skip }, async t => {
  const store = await openStore(t)
  const { dying, living } = twoOf(t, () => new RedisIdempotencyStore(store, new Encryptor(secret()), lease))
  const startedAtMs = Date.now()
  t.equal(await dying.claim('a'), undefined)
  const claimedAtMs = Date.now()
  await forTwoLeases(async () => { t.match(await living.claim('a'), { state: 'running' }) })
  dying.close()
  let askedAtMs = 0
  const lost = await once(async () => {
    askedAtMs = Date.now()
    const found = await living.claim('a')
    return found?.state === 'running' ? undefined : found
  })
  const answerMs = Date.now() - askedAtMs
  t.match(lost, { state: 'unknown', fingerprint: '' })
  t.ok(lost.state === 'unknown' && lost.sentAtMs >= startedAtMs - 1 && lost.sentAtMs <= claimedAtMs + answerMs + 1, 'when it was sent, as exactly as the store\'s answer lets it know')
})

t.test('what a replica that died had under way counts as spent: nobody knows what it sent', { skip }, async t => {
  const store = await openStore(t)
  const { dying, living } = twoOf(t, () => new SharedRateLimiter(store, lease))
  await learn(store, dying, 3)
  for (const place of [1, 2, 3]) t.match(await dying.acquire(101, false), { granted: true }, `${place} of the three that remain`)
  dying.close()
  t.ok(await once(async () => whyNot(await living.acquire(101, false)) === 'rate' ? true : undefined))
})

t.test('a short window that is spent keeps nobody longer than it lasts, whatever is under way in a long one', { skip }, async t => {
  const store = await openStore(t)
  const allowance = new SharedRateLimiter(store, lease)
  const entrances = await Promise.all([1, 2, 3, 4].map(() => allowance.acquire(101, false)))
  const told = [{ name: 'hour', remaining: 2, limit: 100, resetMs: 3_600_000 }, { name: 'moment', remaining: 0, limit: 10, resetMs: 10_000 }]
  for (const [index, window] of told.entries()) {
    const entrance = entrances[index]
    if (entrance?.granted === true) entrance.release({ ...news(0), reportedWindow: window })
  }
  await store.waitUntilIdle()
  const refused = await allowance.acquire(101, false)
  t.match(refused, { granted: false, reason: 'rate' })
  t.ok(!refused.granted && refused.retryAfterMs <= 10_000)
  allowance.close()
})

t.test('a key that the store has lost while its request runs is put in again', { skip }, async t => {
  const store = await openStore(t)
  const { dying: running, living: other } = twoOf(t, () => new RedisIdempotencyStore(store, new Encryptor(secret()), lease))
  t.equal(await running.claim('a'), undefined)
  await store.run(client => client.flushall())
  await once(async () => await store.run(client => client.exists('procore-bff:key:a')) === 1 ? true : undefined)
  t.match(await other.claim('a'), { state: 'running' })
  await running.release('a')
  await sleep(lease.leaseRenewMs * 2)
  t.equal(await other.peek('a'), undefined, 'and it is free when its request is over')
})

t.test('an answer that one replica found stands, whatever another one still doubts', { skip }, async t => {
  const store = await openStore(t)
  const seal = new Encryptor(secret())
  const doubting = new FallbackIdempotencyStore(new RedisIdempotencyStore(store, seal, lease), new MemoryIdempotencyStore(), 'refuse')
  const knowing = new RedisIdempotencyStore(store, seal, lease)
  const unknown: IndeterminateRecord = { state: 'unknown', fingerprint: 'f', sentAtMs: Date.now(), code: 'procore_timeout' }
  const answered: CompletedRecord = { state: 'answered', fingerprint: 'f', result: { kind: 'rejection', status: 422, body: { message: 'no', faults: [] } }, procoreRequestId: undefined }
  t.equal(await doubting.claim('a'), undefined)
  await doubting.settle('a', unknown)
  t.match(await doubting.claim('a'), { state: 'unknown' })
  await knowing.settle('a', answered)
  t.match(await doubting.claim('a'), { state: 'answered' })
  await knowing.settle('a', unknown)
  t.match(await knowing.claim('a'), { state: 'answered' })
  knowing.close()
})

t.test('a lock whose answer was late is not waited for by the one who has it', { skip }, async t => {
  const store = await openStore(t)
  let asked = 0
  const request = withSharedAccessToken(store, new Encryptor(secret()), async () => {
    asked++
    return { value: 'token', issuedAtMs: Date.now(), lifetimeMs: 60_000 }
  })
  // The lock is taken when the pause is over, which is after the time of the call.
  await store.run(client => client.call('CLIENT', 'PAUSE', limits.redis.timeoutMs * 1.3, 'WRITE'))
  t.match(await request(undefined), { value: 'token' })
  t.equal(asked, 1)
  t.match(await request('token'), { value: 'token' }, 'and nobody finds it locked')
})
