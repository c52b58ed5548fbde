// What a replica holds that others wait for ends soon after it died, and not while it is alive.
import t, { type Test } from 'tap'
import { limits } from '../../src/limits.ts'
import { createLog } from '../../src/observe/log.ts'
import { Secret } from '../../src/secret.ts'
import type { AnsweredKey, UnknownKey } from '../../src/state/keys.ts'
import { MemoryKeys } from '../../src/state/memory-keys.ts'
import { RedisKeys } from '../../src/state/redis-keys.ts'
import { SharedStore } from '../../src/state/redis.ts'
import { Seal } from '../../src/state/seal.ts'
import { SharedAllowance, type Entrance } from '../../src/state/shared-allowance.ts'
import { SharedKeys } from '../../src/state/shared-keys.ts'
import { sharedTokenRequest } from '../../src/state/shared-token.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'

const skip = !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed'
const lease = { leaseMs: 400, leaseRenewMs: 100 }
const news = { isAnswered: true, isCounted: true, told: { name: 'minute', remaining: 1, limit: 2, resetMs: 60_000 }, block: undefined }

async function openStore (t: Test): Promise<SharedStore> {
  const redis = await startRedis(t)
  const store = new SharedStore(new Secret(redis.url), createLog({ level: 'silent' }))
  t.teardown(() => store.close())
  await store.start()
  return store
}

/** Asks until the answer is another one than while the lease was running. */
async function once<T> (ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

t.test('the last place of the allowance', { skip }, async t => {
  const store = await openStore(t)
  const [dying, living] = [new SharedAllowance(store, lease), new SharedAllowance(store, lease)]
  const enter = async (allowance: SharedAllowance): Promise<Extract<Entrance, { isOpen: true }> | undefined> => {
    const entrance = await allowance.enter(101, false)
    return entrance.isOpen ? entrance : undefined
  }
  const first = await enter(dying)
  first?.leave(news)
  await store.quiet()
  t.ok(await enter(dying), 'the one that remains')
  const startedAtMs = Date.now()
  while (Date.now() < startedAtMs + lease.leaseMs * 2) {
    t.notOk(await enter(living), 'held as long as the replica lives')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  dying.close()
  t.ok(await once(() => enter(living)), 'free when it is dead')
  living.close()
})

t.test('a key', { skip }, async t => {
  const store = await openStore(t)
  const seal = new Seal(new Secret('a secret of the test'))
  const [dying, living] = [new RedisKeys(store, seal, lease), new RedisKeys(store, seal, lease)]
  t.equal(await dying.claim('a'), undefined)
  const startedAtMs = Date.now()
  while (Date.now() < startedAtMs + lease.leaseMs * 2) {
    t.match(await living.claim('a'), { state: 'running' })
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  dying.close()
  const lost = await once(async () => {
    const found = await living.claim('a')
    return found?.state === 'running' ? undefined : found
  })
  t.match(lost, { state: 'unknown', fingerprint: '' })
  t.ok(lost.state === 'unknown' && lost.sentAtMs <= startedAtMs + 50, 'when it was sent')
  living.close()
})

t.test('what a replica that died had under way counts as spent: nobody knows what it sent', { skip }, async t => {
  const store = await openStore(t)
  const [dying, living] = [new SharedAllowance(store, lease), new SharedAllowance(store, lease)]
  const enter = async (allowance: SharedAllowance): Promise<boolean> => (await allowance.enter(101, false)).isOpen
  const first = await dying.enter(101, false)
  if (first.isOpen) first.leave({ ...news, told: { ...news.told, remaining: 3 } })
  await store.quiet()
  t.ok(await enter(dying) && await enter(dying) && await enter(dying), 'the three that remain')
  dying.close()
  await new Promise(resolve => setTimeout(resolve, lease.leaseMs * 1.5))
  t.match(await living.enter(101, false), { isOpen: false, why: 'rate' })
  living.close()
})

t.test('a short window that is spent keeps nobody longer than it lasts, whatever is under way in a long one', { skip }, async t => {
  const store = await openStore(t)
  const allowance = new SharedAllowance(store, lease)
  const entrances = await Promise.all([1, 2, 3, 4].map(() => allowance.enter(101, false)))
  const told = [{ name: 'hour', remaining: 2, limit: 100, resetMs: 3_600_000 }, { name: 'moment', remaining: 0, limit: 10, resetMs: 10_000 }]
  for (const [index, window] of told.entries()) {
    const entrance = entrances[index]
    if (entrance?.isOpen === true) entrance.leave({ ...news, told: window })
  }
  await store.quiet()
  const refused = await allowance.enter(101, false)
  t.match(refused, { isOpen: false, why: 'rate' })
  t.ok(!refused.isOpen && refused.ms <= 10_000)
  allowance.close()
})

t.test('a key that the store has lost while its request runs is put in again', { skip }, async t => {
  const store = await openStore(t)
  const seal = new Seal(new Secret('a secret of the test'))
  const [running, other] = [new RedisKeys(store, seal, lease), new RedisKeys(store, seal, lease)]
  t.equal(await running.claim('a'), undefined)
  await store.run(client => client.flushall())
  await once(async () => await store.run(client => client.exists('procore-bff:key:a')) === 1 ? true : undefined)
  t.match(await other.claim('a'), { state: 'running' })
  await running.release('a')
  await new Promise(resolve => setTimeout(resolve, lease.leaseRenewMs * 2))
  t.equal(await other.peek('a'), undefined, 'and it is free when its request is over')
  running.close()
  other.close()
})

t.test('an answer that one replica found stands, whatever another one still doubts', { skip }, async t => {
  const store = await openStore(t)
  const seal = new Seal(new Secret('a secret of the test'))
  const doubting = new SharedKeys(new RedisKeys(store, seal, lease), new MemoryKeys(), 'refuse')
  const knowing = new RedisKeys(store, seal, lease)
  const unknown: UnknownKey = { state: 'unknown', fingerprint: 'f', sentAtMs: Date.now(), code: 'procore_timeout' }
  const answered: AnsweredKey = { state: 'answered', fingerprint: 'f', verdict: { kind: 'refusal', status: 422, body: { message: 'no', faults: [] } }, procoreRequestId: undefined }
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
  const request = sharedTokenRequest(store, new Seal(new Secret('a secret of the test')), async () => {
    asked++
    return { value: 'token', issuedAtMs: Date.now(), lifetimeMs: 60_000 }
  })
  // The lock is taken when the pause is over, which is after the time of the call.
  await store.run(client => client.call('CLIENT', 'PAUSE', limits.storeTimeoutMs * 1.3, 'WRITE'))
  t.match(await request(undefined), { value: 'token' })
  t.equal(asked, 1)
  t.match(await request('token'), { value: 'token' }, 'and nobody finds it locked')
})
