// The store of @fastify/rate-limit: it counts with a script in Redis, and in memory if the script fails.
import t, { type Test } from 'tap'
import { createRateLimitStore } from '../../src/auth/rate-limit-store.ts'
import { limits } from '../../src/config/limits.ts'
import { Secret } from '../../src/config/secret.ts'
import { RedisConnection, StoreUnavailableError } from '../../src/storage/redis.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { startRedis } from '../helpers/redis.ts'
import { skipTime } from '../helpers/skip-time.ts'
import { skipWithoutRedis } from '../helpers/skip-without-redis.ts'

const windowMs = 60_000

type Script = RedisConnection['script']

function createStore (script: Script, max = 10) {
  const Store = createRateLimitStore({ script }, callerId => `hidden ${callerId}`)
  const store = new Store({})
  return (callerId: string) => new Promise<{ current: number, ttl: number }>((resolve, reject) => {
    store.incr(callerId, (error, count) => count === undefined ? reject(error) : resolve(count), windowMs, max)
  })
}

/** Starts stores that count in one Redis. `calls` has the number of calls of each. */
async function startStores (t: Test, count: number, max: number) {
  const server = await startRedis(t)
  const stores = []
  const calls: number[] = []
  for (let index = 0; index < count; index++) {
    const redis = new RedisConnection(new Secret(server.url), createLog({ level: 'silent' }, { write: () => {} }))
    redis.timeoutMs = 10_000
    t.teardown(() => redis.close())
    await redis.start()
    calls.push(0)
    stores.push(createStore((...call) => {
      calls[index] = (calls[index] ?? 0) + 1
      return redis.script(...call)
    }, max))
  }
  return { server, stores, calls }
}

t.test('the reply of Redis is the count', async t => {
  const increment = createStore(async () => [7, 1234, 1, 0])
  t.match(await increment('anna'), { current: 7 })
})

t.test('a leased request is counted without a call, until the lease or the window ends', async t => {
  const skip = skipTime(t)
  const calls: unknown[] = []
  const increment = createStore(async (_name, _redisKeys, args) => {
    calls.push(args)
    return [7, windowMs, 1_000, 2]
  })
  t.match(await increment('anna'), { current: 7 })
  t.match([await increment('anna'), await increment('anna')], [{ current: 8 }, { current: 9 }])
  t.equal(calls.length, 1)
  await increment('anna')
  t.match(calls[1], [windowMs, 1, 1_000, 2, 2], 'the next call reports the lease')
  skip(windowMs)
  await increment('anna')
  t.match(calls[2], [windowMs, 1, 1_000, 2, 0])
})

t.test('requests that arrive during a call are counted by the next one together', async t => {
  const replies = [[1, windowMs, 1_000, 0], [4, windowMs, 1_000, 0]]
  const increment = createStore(async () => replies.shift())
  const counts = await Promise.all(['anna', 'anna', 'anna', 'anna'].map(increment))
  t.strictSame(counts.map(({ current }) => current), [1, 2, 3, 4])
})

t.test('four replicas that burst at once exceed the rate by at most 5 %, and a caller gets all of it',
  { skip: skipWithoutRedis }, async t => {
    const max = 2000
    const { stores, calls } = await startStores(t, 4, max)
    let passed = 0
    const burst = async (increment: (callerId: string) => Promise<{ current: number }>) => {
      for (;;) {
        const counts = await Promise.all(Array.from({ length: 25 }, () => increment('anna')))
        passed += counts.filter(({ current }) => current <= max).length
        if (counts.some(({ current }) => current > max)) return
      }
    }
    await Promise.all(stores.map(burst))
    t.ok(passed >= max && passed <= max * 1.05, `${passed} requests`)
    const total = calls.reduce((sum, count) => sum + count, 0)
    t.ok(total < passed / 5, `${total} calls`)
  })

t.test('leases of all replicas are at most 5 % of the rate, and there are none in its last third',
  { skip: skipWithoutRedis }, async t => {
    const max = 600
    const { server, stores } = await startStores(t, 20, max)
    const readHash = async () => {
      const [redisKey = ''] = await server.client.keys('procore-bff:caller-rate:*')
      return server.client.hgetall(redisKey)
    }
    for (const increment of stores) await increment('anna')
    t.match(await readHash(), { count: '20', leased: /^(2[5-9]|30)$/ })
    const [first, second] = stores
    if (first === undefined || second === undefined) throw new Error('at least two')
    for (let current = 0; current < max * 0.7;) ({ current } = await first('anna'))
    for (let index = 0; index < 20; index++) await second('anna')
    const before = Number((await readHash())['count'])
    await first('anna')
    await second('anna')
    t.equal(Number((await readHash())['count']), before + 2, 'each request is counted at once')
  })

t.test('a caller exceeds its rate by at most 5 % if replicas are killed again and again', { skip: skipWithoutRedis },
  async t => {
    const max = 600
    const { stores } = await startStores(t, 100, max)
    let passed = 0
    for (const increment of stores) {
      for (let index = 0; index < 8; index++) if ((await increment('anna')).current <= max) passed++
    }
    t.ok(passed >= max && passed <= max * 1.05, `${passed} requests`)
  })

t.test('a lease whose window has ended does not count in the next one', { skip: skipWithoutRedis }, async t => {
  const { server, stores: [first, second] } = await startStores(t, 2, 600)
  if (first === undefined || second === undefined) throw new Error('two')
  for (let index = 0; index < 16; index++) await first('anna')
  const [redisKey = ''] = await server.client.keys('procore-bff:caller-rate:*')
  await server.client.del(redisKey)
  t.match(await second('anna'), { current: 1 })
  t.match(await first('anna'), { current: 2 })
  t.match(await server.client.hgetall(redisKey), { count: '2', leased: '22' })
})

t.test('a window that the clock of Redis made longer is shortened', { skip: skipWithoutRedis }, async t => {
  const { server, stores: [first, second] } = await startStores(t, 2, 600)
  if (first === undefined || second === undefined) throw new Error('two')
  await first('anna')
  const [redisKey = ''] = await server.client.keys('procore-bff:caller-rate:*')
  // As after the clock was set back by an hour.
  await server.client.pexpire(redisKey, windowMs + 3_600_000)
  const { current, ttl } = await second('anna')
  t.equal(current, 2)
  t.ok(ttl <= windowMs, `${ttl} ms`)
  t.ok(await server.client.pttl(redisKey) <= windowMs)
})

const failures = {
  'Redis is down': async () => { throw new StoreUnavailableError() },
  'the reply is not one of the script': async () => 'OK',
}
for (const [name, script] of Object.entries(failures)) {
  t.test(`if ${name}, requests are counted in memory until their window ends`, async t => {
    const skip = skipTime(t)
    const increment = createStore(script)
    t.strictSame(await increment('anna'), { current: 1, ttl: windowMs })
    skip(windowMs - 20_000)
    t.match(await increment('anna'), { current: 2 })
    t.match(await increment('ben'), { current: 1 }, 'each caller has its own count')
    skip(20_001)
    t.match(await increment('anna'), { current: 1 }, 'a request does not extend the window')
  })
}

t.test('the number of callers that are counted in memory is limited', async t => {
  const increment = createStore(failures['Redis is down'])
  await increment('first')
  for (let index = 0; index < limits.callerRate.callersMax; index++) await increment(String(index))
  t.match(await increment('0'), { current: 2 })
  t.match(await increment('first'), { current: 1 })
})
