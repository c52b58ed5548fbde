// While Redis is down, slow, full or flushed, the service uses its own memory and logs it once. It recovers by itself.
import { mock } from 'node:test'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { Secret } from '../../src/config/secret.ts'
import { RedisConnection } from '../../src/storage/redis.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { startRedis, type TestRedis } from '../helpers/redis.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService, type Service, type ServiceOptions } from '../helpers/service.ts'
import { skipWithoutRedis as skip } from '../helpers/skip-without-redis.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'

// Most of the time is spent waiting for outages to be noticed.
t.jobs = 3

/** Short enough to wait for, and longer than Redis is slow on a busy machine. */
const redisTimeoutMs = limits.redis.timeoutMs * 5
const startWithRedis = (t: Test, options: ServiceOptions) => startService(t, { redisTimeoutMs, ...options })

/** The stored state of a rate limit. */
const StateSchema = Type.Object({ windows: Type.Optional(Type.Unknown()) })

const withKey = (value: string) => ({ 'idempotency-key': value })
let userCount = 0
const uniqueUser = () => ({ user: { ...jane, email_address: `jane${userCount++}@example.com` } })
const countLogLines = ({ lines }: Service, message: RegExp) => {
  return lines.filter(({ msg }) => message.test(String(msg))).length
}
const isDown = ({ app }: Service) => app.redis?.isUp === false
const isUp = ({ app }: Service) => app.redis?.isUp === true
const hasLoggedOutage = (service: Service) => countLogLines(service, /Redis is unavailable/) > 0

/** Asserts the behaviour during an outage: creates succeed, those with a key are rejected, and `/readyz` shows it. */
async function assertServesWithoutRedis (t: Test, service: Service): Promise<void> {
  const { usersUrl, url, emulator } = service
  t.equal((await sendJson(usersUrl, uniqueUser())).status, 201)
  await waitUntil(() => isDown(service))
  const requestCount = emulator.apiRequests.length
  t.match(await sendJson(usersUrl, uniqueUser(), withKey('away')), {
    status: 503,
    json: { code: 'overloaded', outcome: 'not_sent' },
    headers: { 'retry-after': '1' },
  })
  t.equal(emulator.apiRequests.length, requestCount)
  const ready = await send(`${url}/readyz`, { method: 'GET' })
  t.match(ready, { status: 200, json: { dependencies: { redis: { state: 'down' } } } })
}

async function assertRecovers (t: Test, service: Service): Promise<void> {
  await waitUntil(() => isUp(service))
  const ready = await send(`${service.url}/readyz`, { method: 'GET' })
  t.match(ready.json, { dependencies: { redis: { state: 'up' } } })
  const user = uniqueUser()
  const create = () => sendJson(service.usersUrl, user, withKey(`back-${userCount}`))
  let response = await create()
  // On a busy machine Redis may respond later than the service waits. Then nothing is sent.
  while (response.status === 503 || response.json['code'] === 'idempotency_in_progress') response = await create()
  t.equal(response.status, 201)
}

interface Outage {
  name: string
  begin: (redis: TestRedis) => unknown
  end: (redis: TestRedis) => unknown
}

const outages: Outage[] = [
  { name: 'that is killed and started again', begin: redis => redis.kill(), end: redis => redis.start() },
  { name: 'that is suspended', begin: redis => redis.pause(), end: redis => redis.resume() },
  {
    name: 'that is full',
    begin: redis => redis.client.config('SET', 'maxmemory', '1'),
    end: redis => redis.client.config('SET', 'maxmemory', '0'),
  },
]

for (const { name, begin, end } of outages) {
  t.test(`the service works without a Redis ${name}, and recovers`, { skip }, async t => {
    const redis = await startRedis(t, { extraArgs: ['--maxmemory-policy', 'noeviction'] })
    const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
    t.equal((await sendJson(service.usersUrl, uniqueUser(), withKey('before'))).status, 201)
    await begin(redis)
    await assertServesWithoutRedis(t, service)
    await new Promise(resolve => setTimeout(resolve, limits.redis.probeMs * 1.5))
    await assertServesWithoutRedis(t, service)
    t.equal(countLogLines(service, /Redis is unavailable/), 1, 'logged once')
    await end(redis)
    await assertRecovers(t, service)
    t.equal(countLogLines(service, /Redis is available/), 2)
  })
}

t.test('connections that Redis closes are opened again, and no request fails', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  const countConnections = async () => {
    return Number(/total_connections_received:(\d+)/.exec(await redis.client.info('stats'))?.[1])
  }
  for (let index = 0; index < 3; index++) {
    const connections = await countConnections()
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    t.equal((await sendJson(service.usersUrl, uniqueUser())).status, 201)
    // Redis is up until the service has noticed that the connection was closed.
    await waitUntil(async () => await countConnections() > connections)
    await waitUntil(() => isUp(service))
  }
  await assertRecovers(t, service)
})

t.test('with a wrong password the service works without Redis and logs this', { skip }, async t => {
  const redis = await startRedis(t, { password: 'hunter2' })
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url.replace('://', '://:hunter2-wrong@') } })
  await assertServesWithoutRedis(t, service)
  t.ok(countLogLines(service, /Redis is unavailable/) >= 1)
  const right = await startWithRedis(t, { env: { REDIS_URL: redis.url.replace('://', '://:hunter2@') } })
  await assertRecovers(t, right)
})

t.test('a Redis that is down at startup is used as soon as it is up', { skip }, async t => {
  const redis = await startRedis(t)
  await redis.kill()
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  await assertServesWithoutRedis(t, service)
  await redis.start()
  await assertRecovers(t, service)
})

t.test('with a Redis that hangs at startup the service works and logs this', { skip }, async t => {
  const redis = await startRedis(t)
  redis.pause()
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  await assertServesWithoutRedis(t, service)
  t.equal(countLogLines(service, /Redis is unavailable/), 1)
  redis.resume()
  await assertRecovers(t, service)
})

t.test('many short outages are logged once', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  for (let index = 0; index < 5; index++) {
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await waitUntil(() => isDown(service))
    await waitUntil(() => isUp(service))
  }
  t.equal(countLogLines(service, /Redis is unavailable/), 1)
  t.ok(countLogLines(service, /Redis is available/) <= 2)
})

t.test('requests sent during an outage are reported later, so other replicas respect the limit', { skip }, async t => {
  const redis = await startRedis(t)
  const env = { REDIS_URL: redis.url, RATE_LIMIT_MAX_WAIT_MS: '0' }
  const first = await startWithRedis(t, { env, emulator: { rateLimit: 20, rateWindowSeconds: 60 } })
  const second = await startWithRedis(t, { procoreUrl: first.emulator.url, env })
  t.equal((await sendJson(first.usersUrl, uniqueUser())).status, 201)
  await redis.kill()
  for (let index = 0; index < 14; index++) t.equal((await sendJson(first.usersUrl, uniqueUser())).status, 201)
  await redis.start()
  await waitUntil(() => isUp(first) && isUp(second))
  const readState = async () => {
    return assertSchema(StateSchema, JSON.parse(await redis.client.get('procore-bff:procore-rate-limit:101') ?? '{}'))
  }
  while ((await readState()).windows === undefined) await new Promise(resolve => setImmediate(resolve))
  const responses = await Promise.all(Array.from({ length: 20 }, () => sendJson(second.usersUrl, uniqueUser())))
  t.equal(responses.filter(({ status }) => status === 201).length, 5)
  t.equal(first.emulator.apiRequests.filter(({ status }) => status === 429).length, 0, 'Procore rejected none')
})

t.test('a block that a failover has lost is stored again by the replica that knows it', { skip }, async t => {
  const redis = await startRedis(t)
  const env = { REDIS_URL: redis.url }
  const first = await startWithRedis(t, { env })
  const second = await startWithRedis(t, { procoreUrl: first.emulator.url, env })
  const redisKey = 'procore-bff:procore-rate-limit:101'
  const isBlockStored = async () => (await redis.client.get(redisKey))?.includes('unavailable') === true
  first.emulator.faults.add({ kind: 'status', status: 503, body: '', headers: { 'retry-after': '30' } })
  t.equal((await sendJson(first.usersUrl, uniqueUser())).status, 503)
  await waitUntil(isBlockStored)
  await redis.client.del(redisKey)
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await waitUntil(isBlockStored)
  const notSent = { status: 503, json: { code: 'procore_unavailable', outcome: 'not_sent' } }
  t.match(await sendJson(second.usersUrl, uniqueUser()), notSent)
  t.equal(first.emulator.apiRequests.length, 1)
})

t.test('no create fails while Redis is flushed under load', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  const load = Promise.all(Array.from({ length: 100 }, async (_, index) => {
    await new Promise(resolve => setTimeout(resolve, index * 3))
    const headers = index % 2 === 0 ? withKey(`load-${index}`) : {}
    return (await sendJson(service.usersUrl, uniqueUser(), headers)).status
  }))
  for (let index = 0; index < 10; index++) await redis.client.flushall()
  t.strictSame(new Set(await load), new Set([201]))
  t.equal(service.emulator.api.directory.users.size, 100)
})

t.test('IDEMPOTENCY_WITHOUT_REDIS=proceed: keys are stored in memory during an outage', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: 'proceed' } })
  await redis.kill()
  const newUser = uniqueUser()
  const created = await sendJson(service.usersUrl, newUser, withKey('a'))
  t.equal(created.status, 201)
  const repeated = await sendJson(service.usersUrl, newUser, withKey('a'))
  t.match(repeated, { status: 201, text: created.text, headers: { 'idempotency-replayed': 'true' } })
})

t.test('a create in flight when Redis goes down is answered, and replayed after the outage', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  service.emulator.faults.add({ kind: 'delay', delayMs: 500 })
  const newUser = uniqueUser()
  const create = sendJson(service.usersUrl, newUser, withKey('a'))
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  await redis.kill()
  const created = await create
  t.equal(created.status, 201)
  await redis.start()
  await waitUntil(() => isUp(service))
  const repeat = () => sendJson(service.usersUrl, newUser, withKey('a'))
  let repeated = await repeat()
  while (repeated.status === 409) repeated = await repeat()
  t.match(repeated, { status: 201, text: created.text, headers: { 'idempotency-replayed': 'true' } })
  t.equal(service.emulator.api.directory.users.size, 1)
})

t.test('a claim whose reply was lost leaves the key free', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  const newUser = uniqueUser()
  redis.pause()
  t.equal((await sendJson(service.usersUrl, newUser, withKey('a'))).status, 503)
  redis.resume()
  await waitUntil(() => isUp(service))
  const repeat = () => sendJson(service.usersUrl, newUser, withKey('a'))
  let repeated = await repeat()
  while (repeated.status === 409) repeated = await repeat()
  t.equal(repeated.status, 201)
  t.equal(repeated.headers['idempotency-replayed'], undefined)
})

t.test('IDEMPOTENCY_WITHOUT_REDIS=proceed: a replica never repeats its own request', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: 'proceed' } })
  service.emulator.faults.add({ kind: 'delay', delayMs: 500 })
  const newUser = uniqueUser()
  const create = sendJson(service.usersUrl, newUser, withKey('a'))
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  await redis.kill()
  t.equal((await sendJson(service.usersUrl, newUser, withKey('a'))).status, 409)
  t.equal((await create).status, 201)
  const repeated = await sendJson(service.usersUrl, newUser, withKey('a'))
  t.match(repeated, { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('IDEMPOTENCY_WITHOUT_REDIS=proceed: keys used in an outage are written later', { skip }, async t => {
  const redis = await startRedis(t)
  const env = { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: 'proceed' }
  const first = await startWithRedis(t, { env })
  const second = await startWithRedis(t, { procoreUrl: first.emulator.url, env })
  await redis.kill()
  const newUser = uniqueUser()
  const created = await sendJson(first.usersUrl, newUser, withKey('a'))
  t.equal(created.status, 201)
  await redis.start()
  await waitUntil(() => isUp(first) && isUp(second))
  const findKeys = () => redis.client.keys('procore-bff:key:*')
  while ((await findKeys()).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  const repeated = await sendJson(second.usersUrl, newUser, withKey('a'))
  t.match(repeated, { status: 201, text: created.text, headers: { 'idempotency-replayed': 'true' } })
})

interface Failover {
  name: string
  begin: (oldPrimary: TestRedis, newPrimary: TestRedis) => unknown
}

const failovers: Failover[] = [
  {
    name: 'becomes a replica of the new one',
    begin: (oldPrimary, newPrimary) => oldPrimary.client.call('REPLICAOF', '127.0.0.1', newPrimary.port),
  },
  { name: 'no longer responds', begin: oldPrimary => oldPrimary.pause() },
]

for (const { name, begin } of failovers) {
  t.test(`after a failover in which the old primary ${name} the service uses the new one`, { skip }, async t => {
    const [oldPrimary, newPrimary] = [await startRedis(t), await startRedis(t)]
    const proxy = await startTcpProxy(t, oldPrimary.port)
    const service = await startWithRedis(t, { env: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } })
    t.equal((await sendJson(service.usersUrl, uniqueUser(), withKey('before'))).status, 201)
    proxy.setTarget(newPrimary.port)
    await begin(oldPrimary, newPrimary)
    t.equal((await sendJson(service.usersUrl, uniqueUser())).status, 201)
    // The service may have reconnected before the response.
    await waitUntil(() => hasLoggedOutage(service))
    await assertRecovers(t, service)
    t.equal((await newPrimary.client.keys('procore-bff:key:*')).length, 2, 'the new key is there under both its names')
  })
}

t.test('slow replies of Redis are used until the timeout, and do not delay a create after it', { skip }, async t => {
  const redis = await startRedis(t)
  const proxy = await startTcpProxy(t, redis.port)
  const service = await startWithRedis(t, { env: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } })
  proxy.setDelay(redisTimeoutMs * 0.2)
  const newUser = uniqueUser()
  const created = await sendJson(service.usersUrl, newUser, withKey('slow'))
  t.equal(created.status, 201)
  t.match(await sendJson(service.usersUrl, newUser, withKey('slow')), { status: 201, text: created.text })
  t.equal(countLogLines(service, /Redis is unavailable/), 0)
  proxy.setDelay(redisTimeoutMs * 3)
  await assertServesWithoutRedis(t, service)
  proxy.setDelay(0)
  await assertRecovers(t, service)
})

t.test('a short stall of Redis rejects no request with a key, and no key is claimed twice', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
  const client = await service.app.redis?.run(async client => client)
  if (client === undefined) throw new Error('Redis is not configured')
  const replacements = t.capture(client, 'disconnect', client.disconnect.bind(client))
  redis.pause()
  const create = sendJson(service.usersUrl, uniqueUser(), withKey('a'))
  // The call has timed out; the probe that follows it on a new connection succeeds.
  await waitUntil(() => replacements().length > 0)
  redis.resume()
  t.equal((await create).status, 201)
  t.match(await sendJson(service.usersUrl, uniqueUser(), withKey('b')), { status: 201 })
})

t.test('a connection that a NAT has forgotten is replaced, and no keyed request is rejected', { skip }, async t => {
  const redis = await startRedis(t)
  const proxy = await startTcpProxy(t, redis.port)
  const service = await startWithRedis(t, { env: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } })
  for (let index = 0; index < 3; index++) {
    proxy.forgetConnections()
    t.equal((await sendJson(service.usersUrl, uniqueUser(), withKey(`quiet-${index}`))).status, 201)
    t.ok(isUp(service))
  }
})

// The test replaces the timers of the process.
t.test('a connection without calls is kept open by PING', { skip, buffered: false }, async t => {
  const server = await startRedis(t)
  const countPings = async () => {
    return Number(/cmdstat_ping:calls=(\d+)/.exec(await server.client.info('commandstats'))?.[1] ?? 0)
  }
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const redis = new RedisConnection(new Secret(server.url), createLog({ level: 'silent' }, { write: () => {} }))
  t.teardown(() => redis.close())
  await redis.start()
  for (const expected of [1, 2]) {
    mock.timers.tick(limits.redis.idlePingMs)
    while (await countPings() < expected);
  }
  await redis.run(client => client.get('another call'))
  mock.timers.tick(limits.redis.idlePingMs)
  await redis.run(client => client.get('a later call'))
  t.equal(await countPings(), 2, 'a connection with calls needs none')
})

for (const policy of ['allkeys-lru', 'volatile-ttl']) {
  t.test(`a Redis with the policy ${policy} is an error in the log, and a warning in /readyz`, { skip }, async t => {
    const redis = await startRedis(t, { extraArgs: ['--maxmemory-policy', policy] })
    const service = await startWithRedis(t, { env: { REDIS_URL: redis.url } })
    const [line] = service.lines.filter(({ level }) => level === 'error')
    t.match(line, { policy, msg: /a create can be made twice; set it to noeviction/ })
    const readyzUrl = `${service.url}/readyz`
    const warning = new RegExp(`^The maxmemory-policy of Redis is ${policy}`)
    t.match(await send(readyzUrl, { method: 'GET' }), {
      status: 200,
      json: { dependencies: { redis: { state: 'up', warning } } },
    })
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await waitUntil(() => isDown(service))
    await waitUntil(() => isUp(service))
    const { json } = await send(readyzUrl, { method: 'GET' })
    t.equal(JSON.stringify(json).includes('warning'), false, 'it is checked again on a new connection')
  })
}

t.test('a Redis whose policy may not be read is reported, and used', { skip }, async t => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'limited', 'on', '>hunter2', '~*', '+@all', '-info')
  const env = { REDIS_URL: redis.url.replace('://', '://limited:hunter2@') }
  const service = await startWithRedis(t, { env })
  t.equal((await sendJson(service.usersUrl, uniqueUser(), withKey('a'))).status, 201)
  const warning = /^The maxmemory-policy of Redis is unknown/
  const ready = await send(`${service.url}/readyz`, { method: 'GET' })
  t.match(ready.json, { dependencies: { redis: { state: 'up', warning } } })
})

// The test blocks the event loop.
t.test('a reply that arrived while the process was busy does not time out', { skip, buffered: false }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url }, redisTimeoutMs: limits.redis.timeoutMs })
  const call = service.app.redis?.run(client => client.ping())
  // The reply arrives, but is not read before the timeout.
  await new Promise(resolve => setImmediate(resolve))
  const endsAtMs = Date.now() + limits.redis.timeoutMs * 1.5
  while (Date.now() < endsAtMs);
  t.equal(await call, 'PONG')
  t.ok(isUp(service))
})
