// A Redis that is away, slow, full or emptied: the service goes on with its own memory, says so once, and comes back to it by itself.
// It is long because each way of being away is a scenario of its own.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { hasRedis, startRedis, type TestRedis } from '../helpers/redis.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'

// Most of the time is waiting for a store to be away for a while.
t.jobs = 3

const skip = !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed'
const key = (value: string) => ({ 'idempotency-key': value })
let people = 0
const somebody = () => ({ user: { ...jane, email_address: `jane${people++}@example.com` } })
const said = ({ lines }: Service, message: RegExp) => lines.filter(({ msg }) => message.test(String(msg))).length
const isAway = ({ app }: Service) => app.store?.isUp === false
const isBack = ({ app }: Service) => app.store?.isUp === true

/** What holds while it is away: creates go on, keyed ones are refused before they are sent, and the operator is told. */
async function goesOn (test: Test, service: Service): Promise<void> {
  const { usersUrl, url, emulator } = service
  test.equal((await sendJson(usersUrl, somebody())).status, 201)
  await waitUntil(() => isAway(service))
  const before = emulator.apiRequests.length
  test.match(await sendJson(usersUrl, somebody(), key('away')), { status: 503, json: { code: 'overloaded', outcome: 'not_sent' }, headers: { 'retry-after': '1' } })
  test.equal(emulator.apiRequests.length, before)
  const ready = await send(`${url}/readyz`, { method: 'GET' })
  test.match(ready, { status: 200, json: { dependencies: { redis: { state: 'down' } } } })
}

async function comesBack (test: Test, service: Service): Promise<void> {
  await waitUntil(() => isBack(service))
  test.match((await send(`${service.url}/readyz`, { method: 'GET' })).json, { dependencies: { redis: { state: 'up' } } })
  test.equal((await sendJson(service.usersUrl, somebody(), key(`back-${people}`))).status, 201)
}

const outages: Record<string, { begin: (redis: TestRedis) => unknown, end: (redis: TestRedis) => unknown }> = {
  'killed and started again': { begin: redis => redis.kill(), end: redis => redis.start() },
  'stopped in its tracks': { begin: redis => redis.pause(), end: redis => redis.resume() },
  full: {
    begin: redis => redis.client.config('SET', 'maxmemory', '1'),
    end: redis => redis.client.config('SET', 'maxmemory', '0'),
  },
}

for (const [name, { begin, end }] of Object.entries(outages)) {
  t.test(name, { skip }, async t => {
    const redis = await startRedis(t, { extraArgs: ['--maxmemory-policy', 'noeviction'] })
    const service = await startService(t, { env: { REDIS_URL: redis.url } })
    t.equal((await sendJson(service.usersUrl, somebody(), key('before'))).status, 201)
    await begin(redis)
    await goesOn(t, service)
    await new Promise(resolve => setTimeout(resolve, limits.redis.probeMs * 1.5))
    await goesOn(t, service)
    t.equal(said(service, /Redis is unavailable/), 1, 'said once')
    await end(redis)
    await comesBack(t, service)
    t.equal(said(service, /Redis is available/), 2)
  })
}

t.test('connections that are cut are made again, and nobody notices more than a moment', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  for (let index = 0; index < 3; index++) {
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    t.equal((await sendJson(service.usersUrl, somebody())).status, 201)
    await waitUntil(() => isBack(service))
  }
  await comesBack(t, service)
})

t.test('a wrong password: it serves without, and says so', { skip }, async t => {
  const redis = await startRedis(t, { password: 'hunter2' })
  const service = await startService(t, { env: { REDIS_URL: redis.url.replace('://', '://:hunter2-wrong@') } })
  await goesOn(t, service)
  t.ok(said(service, /Redis is unavailable/) >= 1)
  const right = await startService(t, { env: { REDIS_URL: redis.url.replace('://', '://:hunter2@') } })
  await comesBack(t, right)
})

t.test('not there at the start', { skip }, async t => {
  const redis = await startRedis(t)
  await redis.kill()
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  await goesOn(t, service)
  await redis.start()
  await comesBack(t, service)
})

t.test('hanging at the start: it serves all the same, and says so', { skip }, async t => {
  const redis = await startRedis(t)
  redis.pause()
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  await goesOn(t, service)
  t.equal(said(service, /Redis is unavailable/), 1)
  redis.resume()
  await comesBack(t, service)
})

t.test('away and back many times: the log is not filled with it', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  for (let index = 0; index < 5; index++) {
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await waitUntil(() => isAway(service))
    await waitUntil(() => isBack(service))
  }
  t.equal(said(service, /Redis is unavailable/), 1)
  t.ok(said(service, /Redis is available/) <= 2)
})

t.test('what went out while it was away is told to it when it is back: the others do not overspend the allowance', { skip }, async t => {
  const redis = await startRedis(t)
  const one = await startService(t, { env: { REDIS_URL: redis.url, RATE_LIMIT_MAX_WAIT_MS: '0' }, emulator: { rateLimit: 20, rateWindowSeconds: 60 } })
  const other = await startService(t, { procoreUrl: one.emulator.url, env: { REDIS_URL: redis.url, RATE_LIMIT_MAX_WAIT_MS: '0' } })
  t.equal((await sendJson(one.usersUrl, somebody())).status, 201)
  await redis.kill()
  for (let index = 0; index < 14; index++) t.equal((await sendJson(one.usersUrl, somebody())).status, 201)
  await redis.start()
  await waitUntil(() => isBack(one) && isBack(other))
  while (JSON.parse(await redis.client.get('procore-bff:allowance:{101}') ?? '{}').told === undefined) await new Promise(resolve => setImmediate(resolve))
  const replies = await Promise.all(Array.from({ length: 20 }, () => sendJson(other.usersUrl, somebody())))
  t.equal(replies.filter(({ status }) => status === 201).length, 5)
  t.equal(one.emulator.apiRequests.filter(({ status }) => status === 429).length, 0, 'Procore refused none')
})

t.test('emptied under load: no create fails', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  const load = Promise.all(Array.from({ length: 100 }, async (_, index) => {
    await new Promise(resolve => setTimeout(resolve, index * 3))
    return (await sendJson(service.usersUrl, somebody(), index % 2 === 0 ? key(`load-${index}`) : {})).status
  }))
  for (let index = 0; index < 10; index++) await redis.client.flushall()
  t.strictSame(new Set(await load), new Set([201]))
  t.equal(service.emulator.api.directory.users.size, 100)
})

t.test('IDEMPOTENCY_WITHOUT_REDIS=proceed: keyed requests go on with this replica\'s memory', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: 'proceed' } })
  await redis.kill()
  const person = somebody()
  const first = await sendJson(service.usersUrl, person, key('a'))
  t.equal(first.status, 201)
  t.match(await sendJson(service.usersUrl, person, key('a')), { status: 201, text: first.text, headers: { 'idempotency-replayed': 'true' } })
})

t.test('away while a keyed create is under way: it is answered, and its answer stands under the key once the store is back', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  service.emulator.faults.add({ kind: 'delay', delayMs: 500 })
  const person = somebody()
  const create = sendJson(service.usersUrl, person, key('a'))
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  await redis.kill()
  const created = await create
  t.equal(created.status, 201)
  await redis.start()
  await waitUntil(() => isBack(service))
  const repeat = () => sendJson(service.usersUrl, person, key('a'))
  let again = await repeat()
  while (again.status === 409) again = await repeat()
  t.match(again, { status: 201, text: created.text, headers: { 'idempotency-replayed': 'true' } })
  t.equal(service.emulator.api.directory.users.size, 1)
})

t.test('a claim whose answer was lost leaves the key free', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  const person = somebody()
  redis.pause()
  t.equal((await sendJson(service.usersUrl, person, key('a'))).status, 503)
  redis.resume()
  await waitUntil(() => isBack(service))
  let again = await sendJson(service.usersUrl, person, key('a'))
  while (again.status === 409) again = await sendJson(service.usersUrl, person, key('a'))
  t.equal(again.status, 201)
  t.equal(again.headers['idempotency-replayed'], undefined)
})

t.test('IDEMPOTENCY_WITHOUT_REDIS=proceed: what this replica runs it does not send again, whatever becomes of the store', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: 'proceed' } })
  service.emulator.faults.add({ kind: 'delay', delayMs: 500 })
  const person = somebody()
  const first = sendJson(service.usersUrl, person, key('a'))
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  await redis.kill()
  t.equal((await sendJson(service.usersUrl, person, key('a'))).status, 409)
  t.equal((await first).status, 201)
  t.match(await sendJson(service.usersUrl, person, key('a')), { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(service.emulator.apiRequests.length, 1)
})

t.test('IDEMPOTENCY_WITHOUT_REDIS=proceed: what went on without the store is told to it when it is back', { skip }, async t => {
  const redis = await startRedis(t)
  const env = { REDIS_URL: redis.url, IDEMPOTENCY_WITHOUT_REDIS: 'proceed' }
  const one = await startService(t, { env })
  const other = await startService(t, { procoreUrl: one.emulator.url, env })
  await redis.kill()
  const person = somebody()
  const created = await sendJson(one.usersUrl, person, key('a'))
  t.equal(created.status, 201)
  await redis.start()
  await waitUntil(() => isBack(one) && isBack(other))
  while ((await redis.client.keys('procore-bff:key:*')).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  t.match(await sendJson(other.usersUrl, person, key('a')), { status: 201, text: created.text, headers: { 'idempotency-replayed': 'true' } })
})

const failovers: Record<string, (old: TestRedis, heir: TestRedis) => unknown> = {
  'the old one serves on as a replica of the new one': (old, heir) => old.client.call('REPLICAOF', '127.0.0.1', heir.port),
  'the old one says nothing any more': old => old.pause(),
}

for (const [name, begin] of Object.entries(failovers)) {
  t.test(`failing over, and ${name}`, { skip }, async t => {
    const [old, heir] = [await startRedis(t), await startRedis(t)]
    const way = await startTcpProxy(t, old.port)
    const service = await startService(t, { env: { REDIS_URL: `redis://127.0.0.1:${way.port}` } })
    t.equal((await sendJson(service.usersUrl, somebody(), key('before'))).status, 201)
    way.setTarget(heir.port)
    await begin(old, heir)
    t.equal((await sendJson(service.usersUrl, somebody())).status, 201)
    await waitUntil(() => isAway(service))
    await comesBack(t, service)
    t.equal((await heir.client.keys('procore-bff:key:*')).length, 1, 'what is new is there')
  })
}

t.test('answers that are slow, yet in time, are shared state; slower ones hold no create up', { skip }, async t => {
  const redis = await startRedis(t)
  const way = await startTcpProxy(t, redis.port)
  const service = await startService(t, { env: { REDIS_URL: `redis://127.0.0.1:${way.port}` } })
  way.setDelay(limits.redis.timeoutMs * 0.4)
  const person = somebody()
  const created = await sendJson(service.usersUrl, person, key('slow'))
  t.equal(created.status, 201)
  t.match(await sendJson(service.usersUrl, person, key('slow')), { status: 201, text: created.text })
  t.equal(said(service, /Redis is unavailable/), 0)
  way.setDelay(limits.redis.timeoutMs * 3)
  await goesOn(t, service)
  way.setDelay(0)
  await comesBack(t, service)
})

t.test('a silence of a moment refuses no keyed request, and its key is not taken twice', { skip }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  const { client } = service.app.store ?? {}
  if (client === undefined) throw new Error('no store')
  const looks = t.capture(client, 'set', client.set.bind(client))
  redis.pause()
  const create = sendJson(service.usersUrl, somebody(), key('a'))
  // The call has had its time; the look that follows it finds the store alive.
  await waitUntil(() => looks().length > 0)
  redis.resume()
  t.equal((await create).status, 201)
  t.match(await sendJson(service.usersUrl, somebody(), key('b')), { status: 201 })
})

// It keeps the processor to itself.
t.test('an answer that came while this process was busy is not late', { skip, buffered: false }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  const call = service.app.store?.run(client => client.ping())
  // The answer arrives, and nobody reads it in time.
  await new Promise(resolve => setImmediate(resolve))
  const endsAtMs = Date.now() + limits.redis.timeoutMs * 1.5
  while (Date.now() < endsAtMs);
  t.equal(await call, 'PONG')
  t.ok(isBack(service))
})
