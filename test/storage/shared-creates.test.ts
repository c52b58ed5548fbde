// Replicas share their recent creates in batches, and a lookup waits until all of them are written.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { Secret } from '../../src/config/secret.ts'
import { Encryptor } from '../../src/storage/encryption.ts'
import { RedisConnection } from '../../src/storage/redis.ts'
import { SharedCreates } from '../../src/storage/shared-creates.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { monotonicNowMs } from '../../src/util/clock.ts'
import { startRedis } from '../helpers/redis.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

async function startReplicas (t: Test) {
  const server = await startRedis(t)
  const start = async () => {
    const redis = new RedisConnection(new Secret(server.url), createLog({ level: 'silent' }, { write: () => {} }))
    redis.timeoutMs = 10_000
    t.teardown(() => redis.close())
    await redis.start()
    return { redis, creates: new SharedCreates(redis, [new Encryptor(new Secret('a secret of the test'))]) }
  }
  return { server, first: await start(), second: await start() }
}

const createOf = (id: string) => ({ id, companyId: 101, address: `${id}@example.com` })

t.test('the creates of a moment are written by one call', { skip }, async t => {
  const { server, first: { redis, creates } } = await startReplicas(t)
  const { calls } = redis.counts
  for (let index = 0; index < 30; index++) creates.add(createOf(String(index)), monotonicNowMs())
  await waitUntil(async () => await server.client.dbsize() >= 30)
  t.equal(redis.counts.calls, calls + 1)
  t.notMatch(await server.client.keys('*'), /example/)
})

t.test('many creates do not wait for the end of the moment', { skip }, async t => {
  const { first: { redis, creates } } = await startReplicas(t)
  const { calls } = redis.counts
  for (let index = 0; index < limits.recentCreates.batchMax; index++) {
    creates.add(createOf(String(index)), monotonicNowMs())
  }
  t.equal(redis.counts.calls, calls + 1)
})

t.test('a create that is rejected before it is written needs no call', { skip }, async t => {
  const { server, first: { redis, creates } } = await startReplicas(t)
  const { calls } = redis.counts
  creates.add(createOf('rejected'), monotonicNowMs())
  creates.remove(createOf('rejected'))
  creates.add(createOf('other'), monotonicNowMs())
  await waitUntil(async () => (await server.client.keys('procore-bff:creates:*')).length > 0)
  t.equal((await server.client.keys('procore-bff:creates:*')).length, 1)
  t.equal(redis.counts.calls, calls + 1)
})

t.test('a lookup sees a create that another replica sent just before', { skip }, async t => {
  const { first, second } = await startReplicas(t)
  const nowMs = monotonicNowMs()
  const own = { ...createOf('a'), id: 'own' }
  t.equal(await second.creates.hasOther(own, nowMs - 1000, nowMs + 1000), false)
  first.creates.add(createOf('a'), nowMs)
  t.equal(await second.creates.hasOther(own, nowMs - 1000, nowMs + 1000), true)
})
