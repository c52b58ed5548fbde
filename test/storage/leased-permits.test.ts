// Replicas hold permits of Procore's rate limit in advance while plenty remains, and share the rest one by one.
import t, { type Test } from 'tap'
import { Secret } from '../../src/config/secret.ts'
import type { RateLimitUpdate, Throttle } from '../../src/procore/rate-limit/headers.ts'
import { RateLimit, type Permit } from '../../src/procore/rate-limit/rate-limit.ts'
import { parseState, type Purpose, type RateLimitState, type Wait } from '../../src/procore/rate-limit/state.ts'
import { RedisConnection, type LeaseTiming } from '../../src/storage/redis.ts'
import { SharedRateLimiter, type ReplaceReply } from '../../src/storage/shared-rate-limit.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { startRedis, type TestRedis } from '../helpers/redis.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'

t.jobs = 3

const redisKey = 'procore-bff:procore-rate-limit:101'

/** Leases that are not renewed during a test. */
const longLeases: LeaseTiming = { leaseMs: 120_000, leaseRenewMs: 60_000 }

/** Counts requests as Procore does. */
class ProcoreWindow {
  used = 0
  readonly limit: number
  readonly #resetAtMs: number

  constructor (limit: number, windowMs = 600_000) {
    this.limit = limit
    this.#resetAtMs = Date.now() + windowMs
  }

  /** Procore reports whole seconds, by which a window seems to end later than it does. */
  get hasEnded (): boolean {
    return Date.now() >= this.#resetAtMs - 500
  }

  receive (): RateLimitUpdate {
    this.used++
    const { limit, used } = this
    const resetMs = this.#resetAtMs - Date.now()
    const reportedWindow = { name: `${limit} x`, remaining: limit - used, limit, resetMs }
    return { hasResponse: true, mayBeCounted: true, reportedWindow, throttle: undefined }
  }
}

async function connect (t: Test, server: TestRedis): Promise<RedisConnection> {
  const redis = new RedisConnection(new Secret(server.url), createLog({ level: 'silent' }, { write: () => {} }))
  redis.timeoutMs = 10_000
  t.teardown(() => redis.close())
  await redis.start()
  return redis
}

/** Starts replicas, each with its own connection. They share what they know of one rate limit. */
async function startReplicas (
  t: Test, count: number, leaseTiming?: LeaseTiming, extraArgs: readonly string[] = []
) {
  const server = await startRedis(t, { extraArgs })
  const replicas: RateLimit[] = []
  for (let index = 0; index < count; index++) {
    const redis = await connect(t, server)
    const rateLimit = new RateLimit(101, new SharedRateLimiter(redis, callerId => callerId, leaseTiming))
    replicas.push(rateLimit)
    t.teardown(() => rateLimit.close())
  }
  const [first, second] = replicas
  if (first === undefined || second === undefined) throw new Error('at least two')
  return { server, replicas, first, second }
}

async function tryAcquire (replica: RateLimit, purpose: Purpose = 'change'): Promise<Permit | Wait> {
  return replica.tryAcquire({ callerId: 'a', purpose })
}

/** Sends one request. Returns how long it has to wait if it was not sent. */
async function send (replica: RateLimit, procore: ProcoreWindow, throttle?: Throttle): Promise<Wait | undefined> {
  const reply = await tryAcquire(replica)
  if (!('release' in reply)) return reply
  const update = procore.receive()
  // The response takes a moment.
  await new Promise(resolve => setImmediate(resolve))
  reply.release({ ...update, throttle })
  return undefined
}

/** Sends requests until one has to wait for a reset. */
async function sendUntilExhausted (replica: RateLimit, procore: ProcoreWindow): Promise<void> {
  for (;;) {
    const wait = await send(replica, procore)
    if (wait?.isFirm === true) return
    if (wait !== undefined) await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function readState (server: TestRedis): Promise<RateLimitState> {
  return parseState(await server.client.get(redisKey) ?? '')
}

async function countInAdvance (server: TestRedis): Promise<number> {
  const { leases } = await readState(server)
  return Object.values(leases).reduce((sum, { inAdvance }) => sum + inAdvance, 0)
}

async function countScripts (server: TestRedis): Promise<number> {
  const stats = await server.client.info('commandstats')
  return [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

t.test('while plenty remains, few requests need a call to Redis', { skip }, async t => {
  const { server, first } = await startReplicas(t, 2)
  const procore = new ProcoreWindow(3600)
  await send(first, procore)
  await server.client.config('RESETSTAT')
  for (let index = 0; index < 1000; index++) t.equal(await send(first, procore), undefined)
  const calls = await countScripts(server)
  t.ok(calls > 0 && calls < 50, `${calls} calls for 1000 requests`)
})

t.test('replicas hold at most 5 % of the limit in advance, and nothing of the last third', { skip }, async t => {
  const { server, replicas, first } = await startReplicas(t, 4)
  const procore = new ProcoreWindow(3600)
  for (let round = 0; round < 50; round++) {
    for (const replica of replicas) await send(replica, procore)
    const inAdvance = await countInAdvance(server)
    if (inAdvance > 180) t.fail(`${inAdvance} in advance`)
  }
  t.ok(await countInAdvance(server) > 100)
  while (procore.used < 2500) await send(first, procore)
  await waitUntil(async () => await countInAdvance(server) === 0)
  for (const replica of replicas) await send(replica, procore)
  t.equal(await countInAdvance(server), 0)
})

t.test('four replicas that burst at once send as many requests as Procore allows', { skip }, async t => {
  const { replicas } = await startReplicas(t, 4)
  const procore = new ProcoreWindow(1000)
  const callers = replicas.flatMap(replica => Array.from({ length: 8 }, () => replica))
  await Promise.all(callers.map(replica => sendUntilExhausted(replica, procore)))
  t.equal(procore.used, 1000)
})

t.test('four replicas that burst beyond the ends of windows cause no 429 from Procore', { skip }, async t => {
  const { replicas } = await startReplicas(t, 4)
  const windows = [new ProcoreWindow(400, 2000)]
  let rejected = 0
  const send = async (replica: RateLimit) => {
    const reply = await tryAcquire(replica)
    if (!('release' in reply)) return new Promise(resolve => setTimeout(resolve, Math.min(reply.waitMs, 20)))
    if (windows[0]?.hasEnded === true) windows.unshift(new ProcoreWindow(400, 2000))
    const [window] = windows
    const update = window?.receive()
    if (window !== undefined && window.used > window.limit) rejected++
    await new Promise(resolve => setImmediate(resolve))
    return reply.release(update)
  }
  await Promise.all(replicas.flatMap(replica => Array.from({ length: 8 }, async () => {
    while (windows.length < 4) await send(replica)
  })))
  t.equal(rejected, 0)
  t.ok(windows.some(({ used }) => used === 400), windows.map(({ used }) => used).join())
})

t.test('reads of four replicas leave the last fifth of a window', { skip }, async t => {
  const { replicas } = await startReplicas(t, 4)
  const procore = new ProcoreWindow(1000)
  const readAll = async (replica: RateLimit) => {
    for (;;) {
      const reply = await tryAcquire(replica, 'read')
      if (!('release' in reply)) {
        if (reply.isFirm) return reply
        await new Promise(resolve => setTimeout(resolve, 20))
      } else {
        const update = procore.receive()
        await new Promise(resolve => setImmediate(resolve))
        reply.release(update)
      }
    }
  }
  const waits = await Promise.all(replicas.map(readAll))
  t.match(waits, replicas.map(() => ({ reason: 'reserve' })))
  t.equal(procore.used, 800)
})

for (const reason of ['rate', 'unavailable'] as const) {
  t.test(`a Retry-After (${reason}) of one replica stops those that hold permits in advance`, { skip }, async t => {
    const { server, replicas, first } = await startReplicas(t, 4, longLeases)
    const procore = new ProcoreWindow(100_000)
    for (const replica of [...replicas, ...replicas]) await send(replica, procore)
    const { leases } = await readState(server)
    t.equal(Object.values(leases).filter(({ inAdvance }) => inAdvance > 0).length, 4)
    await send(first, procore, { reason, durationMs: 30_000 })
    await waitUntil(() => replicas.every(({ state }) => state.throttledUntilMs > 0))
    for (const replica of replicas) t.match(await tryAcquire(replica), { reason, isFirm: true })
    t.equal(await countInAdvance(server), 0)
  })
}

t.test('a block is stored with the recall of all permits by one script', { skip }, async t => {
  const { server, first, second } = await startReplicas(t, 2)
  const procore = new ProcoreWindow(3600)
  for (const replica of [first, second, first, second]) await send(replica, procore)
  const monitor = await server.client.duplicate().monitor()
  t.teardown(() => monitor.disconnect())
  const sources: string[] = []
  monitor.on('monitor', (_time: string, [command = '']: string[], source: string) => {
    if (command.toLowerCase() === 'xadd') sources.push(source)
  })
  await send(first, procore, { reason: 'rate', durationMs: 30_000 })
  await waitUntil(() => second.state.throttledUntilMs > 0 && sources.length > 0)
  t.strictSame(sources, ['lua'], 'no failure leaves one without the other')
  t.ok(await server.client.pttl('procore-bff:rate-limit-recalls') > 0)
})

t.test('permits that a replica holds in advance', { skip }, async t => {
  const leaseTiming = { leaseMs: 1000, leaseRenewMs: 300 }
  const procore = new ProcoreWindow(3600)

  await t.test('count as used when the replica died', async t => {
    const { server, first: dying, second: living } = await startReplicas(t, 2, { leaseMs: 1000, leaseRenewMs: 60_000 })
    await send(dying, procore)
    await send(dying, procore)
    const held = await countInAdvance(server)
    t.equal(held, 90)
    await send(living, procore)
    await waitUntil(async () => {
      await send(living, procore)
      return Object.keys((await readState(server)).leases).length <= 1
    })
    const [window] = living.state.windows
    t.ok(window !== undefined && window.remaining <= 3600 - procore.used - held, String(window?.remaining))
  })

  await t.test('are given back when it does not use them', async t => {
    const { server, first } = await startReplicas(t, 2, leaseTiming)
    await send(first, procore)
    await send(first, procore)
    t.equal(await countInAdvance(server), 90)
    await waitUntil(async () => Object.keys((await readState(server)).leases).length === 0)
    t.match(await readState(server), { windows: [{ remaining: 3600 - procore.used }] }, 'with what it knows')
  })

  await t.test('are given back when it stops', async t => {
    const { server, first } = await startReplicas(t, 2)
    await send(first, procore)
    await send(first, procore)
    first.close()
    await waitUntil(async () => Object.keys((await readState(server)).leases).length === 0)
  })

  await t.test('are not used after Redis has been silent for a second', async t => {
    const { server, first } = await startReplicas(t, 2)
    await send(first, procore)
    await send(first, procore)
    server.pause()
    let isAnswered = false
    await waitUntil(async () => {
      const asked = tryAcquire(first).then(reply => { if ('release' in reply) reply.release() })
      const answered = await Promise.race([
        asked.then(() => true), new Promise(resolve => setTimeout(resolve, 100, false))
      ])
      isAnswered = answered === true
      return !isAnswered
    })
    t.notOk(isAnswered)
    server.resume()
  })

  await t.test('are not used in a new window before its count is known', async t => {
    const short = new ProcoreWindow(3600, 1500)
    const { first, second } = await startReplicas(t, 2)
    for (const replica of [first, second, first, second]) await send(replica, short)
    const hasEnded = ({ state, nowMs }: RateLimit) => state.windows.every(({ resetAtMs }) => resetAtMs <= nowMs)
    await waitUntil(() => hasEnded(first) && hasEnded(second))
    const probe = await tryAcquire(first)
    t.ok('release' in probe)
    t.match(await tryAcquire(second), { reason: 'probe' })
    t.match(await tryAcquire(first), { reason: 'probe' }, 'whose response is awaited')
  })
})

t.test('a window that is reported later limits what replicas hold in advance', { skip }, async t => {
  const { server, first, second } = await startReplicas(t, 2)
  const hour = new ProcoreWindow(3600, 3_600_000)
  for (const replica of [first, second, first, second]) await send(replica, hour)
  t.ok(await countInAdvance(server) > 100)
  const short = new ProcoreWindow(25, 10_000)
  await send(first, short)
  await waitUntil(async () => await countInAdvance(server) === 0)
  await Promise.all([first, second, first, second].map(replica => sendUntilExhausted(replica, short)))
  t.equal(short.used, 25)
})

t.test('requests without a response count for each replica that sent them', { skip }, async t => {
  const { server, replicas } = await startReplicas(t, 2)
  const procore = new ProcoreWindow(3600)
  for (const replica of [...replicas, ...replicas]) await send(replica, procore)
  for (const replica of replicas) replica.save()
  await waitUntil(async () => (await readState(server)).windows[0]?.remaining === 3600 - procore.used)
  for (const replica of [...replicas, ...replicas, ...replicas]) {
    const permit = await tryAcquire(replica)
    if (!('release' in permit)) throw new Error('a permit')
    procore.receive()
    permit.release({ hasResponse: false, mayBeCounted: true, reportedWindow: undefined, throttle: undefined })
  }
  for (const replica of replicas) replica.close()
  await waitUntil(async () => Object.keys((await readState(server)).leases).length === 0)
  t.match(await readState(server), { windows: [{ remaining: 3600 - procore.used }] })
})

t.test('all permits are recalled if Redis has removed recalls before they were read', { skip }, async t => {
  const server = await startRedis(t)
  const shared = new SharedRateLimiter(await connect(t, server), callerId => callerId)
  const { promise: recalled, resolve: onRecall } = Promise.withResolvers<void>()
  shared.hold(101, Date.now(), onRecall)
  const transaction = server.client.multi()
  transaction.xadd('procore-bff:rate-limit-recalls', '*', 'id', '101')
  for (let index = 0; index < 1000; index++) {
    transaction.xadd('procore-bff:rate-limit-recalls', 'MAXLEN', 1000, '*', 'id', '102')
  }
  await transaction.exec()
  await recalled
  shared.drop(101, onRecall)
})

interface Loss {
  name: string
  lose: (server: TestRedis) => Promise<unknown>
}

const losses: Loss[] = [
  { name: 'was flushed', lose: server => server.client.flushall() },
  { name: 'has evicted the state', lose: server => server.client.del(redisKey) },
  { name: 'was started again without its data', lose: async server => { await server.kill(); await server.start() } },
]

for (const { name, lose } of losses) {
  t.test(`after Redis ${name}, permits that replicas hold in advance still count`, { skip }, async t => {
    const { server, replicas } = await startReplicas(t, 4, longLeases, ['--appendonly', 'no'])
    const procore = new ProcoreWindow(1000)
    for (const replica of [...replicas, ...replicas]) await send(replica, procore)
    const held = await countInAdvance(server)
    t.ok(held > 30, `${held} permits`)
    await lose(server)
    // The latest one knows the leases of the others.
    const latest = replicas.at(-1)
    if (latest !== undefined) await sendUntilExhausted(latest, procore)
    await Promise.all(replicas.flatMap(replica => Array.from({ length: 30 }, () => send(replica, procore))))
    t.equal(procore.used, 1000)
  })
}

t.test('after Redis was flushed, a new replica exceeds the limit at most by what others hold', { skip }, async t => {
  const { server, replicas: [first, second, started] } = await startReplicas(t, 3, longLeases)
  if (first === undefined || second === undefined || started === undefined) throw new Error('three')
  const procore = new ProcoreWindow(1000)
  for (const replica of [first, second, first, second]) await send(replica, procore)
  const held = await countInAdvance(server)
  await server.client.flushall()
  await sendUntilExhausted(started, procore)
  await Promise.all([first, second].flatMap(replica => Array.from({ length: 100 }, () => send(replica, procore))))
  t.ok(held <= 50 && procore.used >= 1000 && procore.used <= 1000 + held, `${procore.used} requests, ${held} held`)
  for (const replica of [first, second]) t.match(await tryAcquire(replica), { isFirm: true }, 'they have noticed')
})

t.test('a rate limit that was evicted from memory leaves the lease of its successor', { skip }, async t => {
  const server = await startRedis(t)
  const shared = new SharedRateLimiter(await connect(t, server), callerId => callerId, longLeases)
  const other = new RateLimit(101, new SharedRateLimiter(await connect(t, server), callerId => callerId, longLeases))
  const procore = new ProcoreWindow(3600)
  const evicted = new RateLimit(101, shared)
  for (let index = 0; index < 3; index++) await send(evicted, procore)
  const pending = Array.from({ length: 100 }, () => tryAcquire(evicted))
  evicted.close()
  const successor = new RateLimit(101, shared)
  t.teardown(() => { successor.close(); other.close() })
  for (let index = 0; index < 3; index++) await send(successor, procore)
  for (const reply of await Promise.all(pending)) if ('release' in reply) reply.release(procore.receive())
  // The evicted one stores the responses, and that none of its requests is in flight.
  await waitUntil(async () => (await readState(server)).windows[0]?.remaining === 3600 - procore.used)
  t.ok(await countInAdvance(server) > 0)
  await send(other, procore, { reason: 'rate', durationMs: 30_000 })
  await waitUntil(() => successor.state.throttledUntilMs > 0)
})

/** Redis, as if this process had been paused before it received a reply. */
class PausedRateLimiter extends SharedRateLimiter {
  pauseMs = 0
  replaceCount = 0

  override async replace (...args: Parameters<SharedRateLimiter['replace']>): Promise<ReplaceReply | undefined> {
    this.replaceCount++
    const pauseMs = this.pauseMs
    this.pauseMs = 0
    const reply = await super.replace(...args)
    if (pauseMs > 0) await new Promise(resolve => setTimeout(resolve, pauseMs))
    return reply
  }
}

t.test('a replica that was paused until its lease ended decides again', { skip }, async t => {
  const server = await startRedis(t)
  const shared = new PausedRateLimiter(await connect(t, server), callerId => callerId)
  const replica = new RateLimit(101, shared)
  const procore = new ProcoreWindow(3600)
  await send(replica, procore)
  shared.pauseMs = 1500
  shared.replaceCount = 0
  t.equal(await send(replica, procore), undefined)
  t.ok(shared.replaceCount >= 2, `${shared.replaceCount} exchanges`)
  t.ok(Math.abs(replica.nowMs - Date.now()) < 1000, 'by the time of Redis')
  replica.close()
})

/** Redis, as if its clock had been set. */
class ShiftedRateLimiter extends SharedRateLimiter {
  shiftMs = 0

  override async replace (...args: Parameters<SharedRateLimiter['replace']>): Promise<ReplaceReply | undefined> {
    const reply = await super.replace(...args)
    return reply && { ...reply, nowMs: reply.nowMs + this.shiftMs }
  }
}

/** Starts two replicas, and returns a function that sets the clock of their Redis ahead, or back. */
async function startShiftedReplicas (t: Test) {
  const server = await startRedis(t)
  const limiters: ShiftedRateLimiter[] = []
  let shiftMs = 0
  for (let index = 0; index < 2; index++) {
    const redis = await connect(t, server)
    const client = await redis.run(async client => client)
    const getTime = client.time.bind(client)
    t.intercept(client, 'time', {
      value: async () => {
        const [seconds = 0, microseconds = 0] = await getTime()
        return [String(Number(seconds) + shiftMs / 1000), String(microseconds)]
      },
    })
    limiters.push(new ShiftedRateLimiter(redis, callerId => callerId, longLeases))
  }
  const setClock = async (ms: number) => {
    shiftMs = ms
    for (const limiter of limiters) limiter.shiftMs = ms
    // Ids of later recalls are higher.
    await server.client.xadd('procore-bff:rate-limit-recalls', `${Date.now() + ms}-1`, 'id', '102')
  }
  const [first, second] = limiters.map(limiter => new RateLimit(101, limiter))
  if (first === undefined || second === undefined) throw new Error('two')
  t.teardown(() => { first.close(); second.close() })
  return { server, setClock, first, second }
}

t.test('if the clock of Redis is set back, leases end by the new time', { skip }, async t => {
  const { server, setClock, first } = await startShiftedReplicas(t)
  await send(first, new ProcoreWindow(3600))
  t.ok('release' in await tryAcquire(first))
  const hourMs = 3_600_000
  const getEnds = async () => Object.values((await readState(server)).leases).map(({ endsAtMs }) => endsAtMs)
  t.ok((await getEnds()).every(endsAtMs => endsAtMs > Date.now()))
  await setClock(-hourMs)
  await waitUntil(async () => (await getEnds()).every(endsAtMs => endsAtMs < Date.now() - hourMs / 2))
  t.equal((await getEnds()).length, 1)
})

t.test('if the clock of Redis is set forward, replicas that hold permits give them back at once', { skip }, async t => {
  const { server, setClock, first, second: holder } = await startShiftedReplicas(t)
  const procore = new ProcoreWindow(1000)
  for (const replica of [first, holder, first, holder]) await send(replica, procore)
  t.ok(await countInAdvance(server) > 30)
  await setClock(3_600_000)
  // By the new time, the lease of the holder and the window have ended.
  t.equal(await send(first, procore), undefined)
  await waitUntil(() => holder.nowMs > Date.now() + 3_000_000)
  await sendUntilExhausted(first, procore)
  await Promise.all(Array.from({ length: 30 }, () => send(holder, procore)))
  t.equal(procore.used, 1000)
})
