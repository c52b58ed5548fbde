// The store of @fastify/rate-limit: it counts with a script in Redis, and in memory if the script fails.
import t from 'tap'
import { createRateLimitStore } from '../../src/auth/rate-limit-store.ts'
import { limits } from '../../src/config/limits.ts'
import { StoreUnavailableError } from '../../src/storage/redis.ts'
import { skipTime } from '../helpers/skip-time.ts'

const windowMs = 60_000

function createStore (script: () => Promise<unknown>) {
  const Store = createRateLimitStore({ script }, callerId => `hidden ${callerId}`)
  const store = new Store({})
  return (callerId: string) => new Promise<unknown>((resolve, reject) => {
    store.incr(callerId, (error, count) => error === null ? resolve(count) : reject(error), windowMs, 10)
  })
}

t.test('the reply of Redis is the count', async t => {
  const increment = createStore(async () => [7, 1234])
  t.strictSame(await increment('anna'), { current: 7, ttl: 1234 })
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
