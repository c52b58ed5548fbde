// What a replica holds that others wait for ends soon after it died, and not while it is alive.
import t, { type Test } from 'tap'
import { createLog } from '../../src/observe/log.ts'
import { Secret } from '../../src/secret.ts'
import { RedisKeys } from '../../src/state/redis-keys.ts'
import { SharedStore } from '../../src/state/redis.ts'
import { Seal } from '../../src/state/seal.ts'
import { SharedAllowance, type Entrance } from '../../src/state/shared-allowance.ts'
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
    return entrance?.isOpen === true ? entrance : undefined
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
