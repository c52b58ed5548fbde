// A caller that leaves ends its request once, whatever the service is doing for it, and loses nothing of its trail.
import { once } from 'node:events'
import t from 'tap'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { startRedis } from '../helpers/redis.ts'
import { createUserJson } from '../helpers/request-builders.ts'
import { requestHead } from '../helpers/request-head.ts'
import { jane, RawConnection, sendJson } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { skipWithoutRedis } from '../helpers/skip-without-redis.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const createJane = createUserJson(JSON.stringify({ user: jane }))

const requestLines = ({ lines }: Service) => lines.filter(({ msg }) => msg === 'request')
const auditLines = ({ lines }: Service) => lines.filter(({ name }) => name === 'audit')
const errorLines = ({ lines }: Service) => lines.filter(({ level }) => level === 'error')

t.test('a caller that leaves while its rate is counted in Redis ends its request once', {
  skip: skipWithoutRedis,
}, async t => {
  const redis = await startRedis(t)
  const proxy = await startTcpProxy(t, redis.port)
  const issuer = await startIssuer(t)
  const env = { ...issuer.env, CALLER_RATE_PER_MINUTE: '100', REDIS_URL: `redis://127.0.0.1:${proxy.port}` }
  const service = await startService(t, { env })
  const authorization = bearerHeader(await issuer.sign({ sub: 'anna' }))
  await sendJson(service.usersUrl, { user: {} }, authorization)
  // The line is written after the response.
  await waitUntil(() => requestLines(service).length === 1)
  const countBefore = requestLines(service).length
  proxy.setDelay(80)
  const caller = new RawConnection(service.port)
  caller.write(requestHead('/companies/abc/trades', authorization, 'GET'))
  await once(service.app.fastify.server, 'request')
  caller.socket.resetAndDestroy()
  await waitUntil(() => requestLines(service).length > countBefore)
  t.equal(await service.app.inFlight.waitUntilIdle(1000), true)
  // The hooks go on when Redis has replied.
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match(requestLines(service).slice(countBefore), [{ status: 499 }])
  t.equal(requestLines(service).length, countBefore + 1)
  t.strictSame(errorLines(service), [])
  t.equal(await service.app.inFlight.waitUntilIdle(1000), true)
})

t.test('a rejection that arrives after the caller has left is logged with its code', async t => {
  const service = await startService(t)
  t.equal((await sendJson(service.usersUrl, { user: jane })).status, 201)
  await waitUntil(() => requestLines(service).length === 1)
  service.emulator.faults.add({ kind: 'delay', delayMs: 200 })
  const caller = new RawConnection(service.port)
  caller.write(createJane)
  await waitUntil(() => service.emulator.apiRequests.length === 2)
  caller.socket.resetAndDestroy()
  await waitUntil(() => requestLines(service).length === 2)
  const [, line] = requestLines(service)
  t.match(line, { status: 499, code: 'procore_rejected', outcome: 'rejected', errorCount: 1, upstreamStatus: 422 })
  t.match(auditLines(service).at(-1), { outcome: 'rejected', status: 422 })
})

t.test('an unexpected error after the caller has left is logged, audited and counted', async t => {
  const service = await startService(t)
  const failed = Promise.withResolvers<never>()
  t.intercept(service.app.procore, 'send', { value: () => failed.promise })
  const caller = new RawConnection(service.port)
  caller.write(createJane)
  await waitUntil(() => service.app.inFlight.count === 1)
  caller.socket.resetAndDestroy()
  await new Promise(resolve => caller.socket.once('close', resolve))
  failed.reject(new TypeError('a bug'))
  await waitUntil(() => requestLines(service).length === 1)
  t.match(errorLines(service), [{ msg: 'unexpected error', requestId: String }])
  t.match(requestLines(service), [{ status: 499, code: 'internal', outcome: 'not_sent' }])
  t.match(auditLines(service), [{ outcome: 'not_sent', status: 500 }])
})

t.test('a create whose idempotency key cannot be claimed is audited', { skip: skipWithoutRedis }, async t => {
  const redis = await startRedis(t)
  const proxy = await startTcpProxy(t, redis.port)
  const env = { REDIS_URL: `redis://127.0.0.1:${proxy.port}` }
  const service = await startService(t, { env, redisTimeoutMs: 500 })
  proxy.setDelay(10_000)
  const response = await sendJson(service.usersUrl, { user: jane }, { 'idempotency-key': 'a' })
  t.match(response.json, { status: 503, outcome: 'not_sent' })
  t.match(auditLines(service), [{ outcome: 'not_sent', status: 503 }])
})
