// Replicas that share a Redis act as one: keys with their answers, the allowance, rates, and one token for all.
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { shutDown } from '../../src/server/shutdown.ts'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'
import { multipartBody, jane, janeParts, RawConnection, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startTestEmulator, startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// Most of the time is waiting for what one replica finds out for the others.
t.jobs = 2

const skip = !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed'
const key = (value: string) => ({ 'idempotency-key': value })
const user = (index: number) => ({ user: { ...jane, email_address: `jane${index}@example.com` } })

/** Services that share a Redis and an emulator. */
async function startReplicas (test: Test, count: number, { env = {}, emulator: settings = {} }: { env?: Record<string, string>, emulator?: Parameters<typeof startTestEmulator>[1] } = {}) {
  const redis = await startRedis(test)
  const emulator = await startTestEmulator(test, settings)
  const replicas: Service[] = []
  for (let index = 0; index < count; index++) replicas.push(await startService(test, { procoreUrl: emulator.url, env: { REDIS_URL: redis.url, ...env } }))
  const [first, second] = replicas
  if (first === undefined || second === undefined) throw new Error('at least two')
  return { redis, emulator, replicas, first, second }
}

t.test('a key: in progress for all, its answer is everybody\'s', { skip }, async t => {
  const { emulator, first, second } = await startReplicas(t, 2)
  emulator.faults.add({ kind: 'delay', delayMs: 300 })
  const one = sendJson(first.usersUrl, user(1), key('a'))
  await waitUntil(() => emulator.apiRequests.length === 1)
  t.match((await sendJson(second.usersUrl, user(1), key('a'))).json, { status: 409, code: 'idempotency_in_progress' })
  const created = await one
  const again = await sendJson(second.usersUrl, user(1), key('a'))
  t.strictSame([again.status, again.text, again.headers['idempotency-replayed'], again.headers['procore-request-id']], [201, created.text, 'true', created.headers['procore-request-id']])
  t.match((await sendJson(second.usersUrl, user(2), key('a'))).json, { status: 422, code: 'idempotency_key_reused' })
  t.match((await sendJson(second.usersUrl, user(1), key('b'))).json, { status: 422, code: 'procore_rejected' })
  const refused = await sendJson(first.usersUrl, user(1), key('b'))
  t.match(refused, { status: 422, headers: { 'idempotency-replayed': 'true' }, json: { errors: [{ pointer: '/user/email_address', rule: 'procore' }] } })
  emulator.faults.add({ kind: 'status', status: 429, body: '', headers: { 'retry-after': '60' }, path: '/companies/102/' })
  t.equal((await sendJson(first.usersUrl.replace('101', '102'), user(3), key('c'))).status, 429)
  t.equal(emulator.apiRequests.filter(({ method }) => method === 'POST').length, 3)
})

t.test('a crowd at three replicas with one key makes one user', { skip }, async t => {
  const { emulator, replicas } = await startReplicas(t, 3)
  const body = multipartBody([...janeParts, { name: 'user[avatar]', filename: 'a.png', data: png(400_000) }])
  const replies = await Promise.all(Array.from({ length: 30 }, (_, index) => sendMultipart(replicas[index % 3]?.usersUrl ?? '', body, key('crowd'))))
  t.ok(replies.every(({ status }) => status === 201 || status === 409 || status === 503), replies.map(({ status }) => status).join())
  t.equal(emulator.api.directory.users.size, 1)
})

t.test('a key whose replica died counts as unknown once its lease is over: looked up, never made again', { skip }, async t => {
  const { redis, emulator, replicas, first, second } = await startReplicas(t, 3)
  emulator.faults.add({ kind: 'silence' })
  const dying = sendJson(first.usersUrl, user(1), key('a')).catch(() => {})
  await waitUntil(() => emulator.api.directory.users.size === 1)
  const [name = ''] = await redis.client.keys('procore-bff:key:*')
  t.match(await redis.client.hgetall(name), { state: 'running', holder: String })
  t.ok(await redis.client.pttl(name) > limits.idempotency.ttlMs - 60_000)
  t.equal((await sendJson(second.usersUrl, user(1), key('a'))).status, 409)
  // The lease is as long as a replica may be silent; here it is over at once.
  await redis.client.hset(name, 'lease', 1)
  const found = await sendJson(second.usersUrl, user(1), key('a'))
  t.match(found, { status: 201, headers: { 'x-outcome': 'recovered' } })
  t.equal(emulator.apiRequests.filter(({ method }) => method === 'POST').length, 1)
  emulator.api.directory.clear()
  await redis.client.hset(name, 'state', 'running', 'lease', 1)
  t.match((await sendJson(replicas[2]?.usersUrl ?? '', user(1), key('a'))).json, { outcome: 'unknown' }, 'not free')
  first.app.fastify.server.closeAllConnections()
  await dying
})

t.test('what is stored is sealed, has an end, and does not open with another secret', { skip }, async t => {
  const { redis, emulator, first } = await startReplicas(t, 2)
  t.equal((await sendJson(first.usersUrl, user(1), key('a'))).status, 201)
  const names = await redis.client.keys('*')
  t.ok(names.length >= 4, names.join())
  for (const name of names) {
    t.match(name, /^procore-bff:/)
    t.ok(await redis.client.pttl(name) > 0, `${name} has an end`)
  }
  const dumps = await Promise.all(names.map(async name => (await redis.client.type(name)) === 'hash' ? JSON.stringify(await redis.client.hgetall(name)) : (await redis.client.type(name)) === 'string' ? await redis.client.get(name) : ''))
  t.notMatch(dumps.join(), /jane|Doe|eyJ|example/)
  emulator.settings = { ...emulator.settings, clientSecret: 'second-secret' }
  const rotated = await startService(t, { procoreUrl: emulator.url, env: { REDIS_URL: redis.url, PROCORE_CLIENT_SECRET: 'second-secret' } })
  t.match(await sendJson(rotated.usersUrl, user(1), key('a')), { status: 201, headers: { 'x-outcome': 'recovered' } }, 'unknown, so it is looked up')
  t.equal(emulator.api.directory.users.size, 1)
})

t.test('one token for all replicas, at the start, ahead of its end, and after it was revoked', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  const replicas = await Promise.all(Array.from({ length: 4 }, () => startService(t, { procoreUrl: emulator.url, env: { REDIS_URL: redis.url }, ready: false })))
  const all = (index: number) => Promise.all(replicas.map(({ usersUrl }, replica) => sendJson(usersUrl, user(index * 10 + replica))))
  t.ok((await all(0)).every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 1)
  emulator.api.revokeAccessTokens()
  t.ok((await all(1)).every(({ status }) => status === 201))
  t.equal(emulator.tokenRequests.length, 2)
})

t.test('together they do not send more than Procore allows, and all see that nothing remains', { skip }, async t => {
  const { emulator, replicas } = await startReplicas(t, 3, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' }, emulator: { rateLimit: 20, rateWindowSeconds: 60 } })
  t.equal((await sendJson(replicas[0]?.usersUrl ?? '', user(0))).status, 201)
  const replies = await Promise.all(Array.from({ length: 60 }, (_, index) => sendJson(replicas[index % 3]?.usersUrl ?? '', user(index + 1))))
  t.equal(replies.filter(({ status }) => status === 201).length, 19)
  t.match(replies.find(({ status }) => status === 429)?.json, { code: 'procore_rate_limited', outcome: 'not_sent' })
  t.equal(emulator.apiRequests.filter(({ status }) => status === 429).length, 0, 'Procore refused none')
  for (const { usersUrl } of replicas) {
    const reply = await sendJson(usersUrl, user(99))
    t.equal(reply.status, 429)
    t.ok(Number(reply.headers['retry-after']) > 50)
  }
})

t.test('a block that one replica was told holds for all', { skip }, async t => {
  const { redis, emulator, first, second } = await startReplicas(t, 2)
  emulator.faults.add({ kind: 'status', status: 503, body: '', headers: { 'retry-after': '30' } })
  t.match((await sendJson(first.usersUrl, user(1))).json, { code: 'procore_unavailable', outcome: 'rejected' })
  // What a request leaves behind is written after its answer.
  while (!(await redis.client.get('procore-bff:allowance:{101}'))?.includes('unavailable')) await new Promise(resolve => setImmediate(resolve))
  const reply = await sendJson(second.usersUrl, user(1))
  t.match(reply, { status: 503, json: { code: 'procore_unavailable', outcome: 'not_sent' } })
  t.ok(Number(reply.headers['retry-after']) > 25)
  t.equal(emulator.apiRequests.length, 1)
})

t.test('rates of callers are counted together', { skip }, async t => {
  const issuer = await startIssuer(t)
  const { first, second } = await startReplicas(t, 2, { env: { ...issuer.env, CALLER_RATE_PER_MINUTE: '3' } })
  const headers = bearerHeader(await issuer.sign())
  for (const { usersUrl } of [first, second, first]) t.equal((await sendJson(usersUrl, { user: {} }, headers)).status, 422)
  t.match(await sendJson(second.usersUrl, { user: {} }, headers), { status: 429, json: { code: 'too_many_requests' }, headers: { 'ratelimit-remaining': '0' } })
})

t.test('who waits for what others find out waits no longer than RATE_LIMIT_MAX_WAIT_MS', { skip }, async t => {
  const { emulator, first, second } = await startReplicas(t, 2, { env: { RATE_LIMIT_MAX_WAIT_MS: '300' }, emulator: { rateLimit: 2, rateWindowSeconds: 60 } })
  t.equal((await sendJson(first.usersUrl, user(0))).status, 201)
  emulator.faults.add({ kind: 'delay', delayMs: 3000 })
  const slow = sendJson(first.usersUrl, user(1))
  await waitUntil(() => emulator.apiRequests.length === 2)
  const refused = await sendJson(second.usersUrl, user(2))
  t.match(refused, { status: 429, json: { code: 'procore_rate_limited', outcome: 'not_sent' } })
  t.equal(emulator.apiRequests.length, 2, 'while the last one was still under way')
  t.equal((await slow).status, 201)
})

t.test('after the store was emptied one request finds out what remains, and none is refused by Procore', { skip }, async t => {
  const { redis, emulator, replicas } = await startReplicas(t, 3, { env: { RATE_LIMIT_MAX_WAIT_MS: '0' }, emulator: { rateLimit: 20, rateWindowSeconds: 60 } })
  t.equal((await sendJson(replicas[0]?.usersUrl ?? '', user(0))).status, 201)
  await redis.client.flushall()
  const replies = await Promise.all(Array.from({ length: 45 }, (_, index) => sendJson(replicas[index % 3]?.usersUrl ?? '', user(index + 1))))
  t.equal(replies.filter(({ status }) => status === 201).length, 19)
  t.equal(emulator.apiRequests.filter(({ status }) => status === 429).length, 0)
})

t.test('a replica that stops writes first what became of a create whose caller left', { skip }, async t => {
  const { emulator, first, second } = await startReplicas(t, 2)
  emulator.faults.add({ kind: 'delay', delayMs: 500 })
  const body = JSON.stringify(user(1))
  const caller = new RawConnection(first.port)
  caller.write(`POST /companies/101/users HTTP/1.1\r\nhost: x\r\nidempotency-key: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await waitUntil(() => emulator.apiRequests.length === 1)
  caller.socket.destroy()
  await shutDown(first.app, { drainDelayMs: 0, graceMs: 5000 })
  t.match(await sendJson(second.usersUrl, user(1), key('a')), { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal(emulator.apiRequests.length, 1)
})

t.test('no name in the store tells who a caller is', { skip }, async t => {
  const issuer = await startIssuer(t)
  const { redis, first } = await startReplicas(t, 2, { env: issuer.env })
  t.equal((await sendJson(first.usersUrl, user(1), bearerHeader(await issuer.sign({ sub: 'subject-of-a-caller' })))).status, 201)
  t.notMatch((await redis.client.keys('*')).join(), /subject/)
})

t.test('a crowd that waits for what others find out asks one at a time', { skip }, async t => {
  const { redis, emulator, first, second } = await startReplicas(t, 2, { env: { RATE_LIMIT_MAX_WAIT_MS: '3000' }, emulator: { rateLimit: 2, rateWindowSeconds: 60 } })
  t.equal((await sendJson(first.usersUrl, user(0))).status, 201)
  emulator.faults.add({ kind: 'delay', delayMs: 1500 })
  const slow = sendJson(first.usersUrl, user(1))
  await waitUntil(() => emulator.apiRequests.length === 2)
  await redis.client.config('RESETSTAT')
  const crowd = Promise.all(Array.from({ length: 40 }, (_, index) => sendJson(second.usersUrl, user(index + 2))))
  t.equal((await slow).status, 201)
  t.strictSame(new Set((await crowd).map(({ status }) => status)), new Set([429]))
  const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1])
  t.ok(calls < 150, `${calls} calls: 40 that come, 40 that leave, and ten a second`)
  t.equal(emulator.apiRequests.length, 2)
})

t.test('a replica that comes late takes the token that is there, and renews it for all', { skip }, async t => {
  const { redis, emulator } = await startReplicas(t, 2)
  const late = await startService(t, { procoreUrl: emulator.url, env: { REDIS_URL: redis.url } })
  t.equal((await sendJson(late.usersUrl, user(0))).status, 201)
  t.equal(emulator.tokenRequests.length, 1)
})

t.test('while the login host fails replicas ask one after the other and each at its own pace; then one token serves all', { skip }, async t => {
  const redis = await startRedis(t)
  const emulator = await startTestEmulator(t)
  emulator.faults.add({ kind: 'status', status: 503, body: '', on: 'token', rate: 1 })
  const replicas = await Promise.all(Array.from({ length: 3 }, () => startService(t, { procoreUrl: emulator.url, env: { REDIS_URL: redis.url }, ready: false })))
  await Promise.all(replicas.map(({ app }) => app.procore.accessTokens.get().catch(() => {})))
  await waitUntil(() => emulator.tokenRequests.length >= 3)
  emulator.faults.clear()
  const asked = emulator.tokenRequests.length
  t.ok(asked <= 9, `${asked} requests`)
  await Promise.all(replicas.map(({ app }) => waitUntil(() => app.procore.accessTokens.current() !== undefined)))
  t.equal(emulator.tokenRequests.length, asked + 1)
  t.equal(new Set(replicas.map(({ app }) => app.procore.accessTokens.current())).size, 1)
})

t.test('a replica whose grace runs out writes first that nobody can tell what became of its create', { skip }, async t => {
  const { emulator, first, second } = await startReplicas(t, 2)
  emulator.faults.add({ kind: 'silence' })
  const cut = sendJson(first.usersUrl, user(1), key('a')).catch(() => undefined)
  await waitUntil(() => emulator.api.directory.users.size === 1)
  await t.rejects(shutDown(first.app, { drainDelayMs: 0, graceMs: 100 }))
  await cut
  t.match(await sendJson(second.usersUrl, user(1), key('a')), { status: 201, headers: { 'x-outcome': 'recovered' } }, 'neither running nor free')
  t.equal(emulator.apiRequests.filter(({ method }) => method === 'POST').length, 1)
})

t.test('a replica that is killed leaves a key that the others take for running, then for unknown', { skip }, async t => {
  const { redis, emulator, second } = await startReplicas(t, 2)
  const killed = spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), REDIS_URL: redis.url })
  const url = await killed.listening
  emulator.faults.add({ kind: 'silence' })
  const lost = sendJson(`${url}/companies/101/users`, user(1), key('a')).catch(() => undefined)
  await waitUntil(() => emulator.api.directory.users.size === 1)
  killed.child.kill('SIGKILL')
  await lost
  t.equal((await sendJson(second.usersUrl, user(1), key('a'))).status, 409)
  const [name = ''] = await redis.client.keys('procore-bff:key:*')
  t.ok(Number(await redis.client.hget(name, 'lease')) <= Date.now() + limits.redis.leaseMs)
  await redis.client.hset(name, 'lease', 1)
  t.match(await sendJson(second.usersUrl, user(1), key('a')), { status: 201, headers: { 'x-outcome': 'recovered' } })
})
