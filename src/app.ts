/** buildApp(config): the one file that knows every part, and registers them in the order of a request's way. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { Callers } from './callers/callers.ts'
import { addCors } from './callers/cors.ts'
import type { Config } from './config.ts'
import { limits } from './limits.ts'
import { describeEndpoints } from './endpoints/index.ts'
import { linger } from './linger.ts'
import { Lifecycle } from './lifecycle.ts'
import { KeptAnswers } from './mirror/kept-answers.ts'
import { Keys } from './mirror/keyed.ts'
import { mirror } from './mirror/mirror.ts'
import { Forms } from './mirror/forms-under-way.ts'
import { accessLog } from './observe/access-log.ts'
import { Audit } from './observe/audit.ts'
import { addObservers, plainTrail } from './observe/ended.ts'
import { addGauges } from './observe/gauges.ts'
import { health } from './observe/health.ts'
import { LatestProblems } from './observe/latest-problems.ts'
import { lineWriter } from './observe/log.ts'
import { Metrics } from './observe/metrics.ts'
import type { Traces } from './observe/traces.ts'
import { addDocs } from './pages/docs.ts'
import { addOpenapi } from './pages/openapi.ts'
import { addStatus } from './pages/status.ts'
import { Paths } from './paths.ts'
import { Procore } from './procore/procore.ts'
import { addRefusals, findDoubtful } from './refusals.ts'
import { createServer } from './server.ts'
import type { SharedStore } from './state/redis.ts'
import { MemoryKeys } from './state/memory-keys.ts'
import type { Shared } from './state/shared.ts'

export interface App {
  readonly fastify: FastifyInstance
  readonly procore: Procore
  readonly lifecycle: Lifecycle
  readonly callers: Callers
  /** What replicas share, if they do. */
  readonly store: SharedStore | undefined
}

/** Builds the service without listening or asking for a token; `fastify.close()` ends all that it holds. */
export async function buildApp (config: Config, log: FastifyBaseLogger, endpoints = describeEndpoints(config.endpoints)): Promise<App> {
  const metrics = new Metrics()
  const problems = new LatestProblems()
  const traces = await openTraces(config.observe, log)
  const lifecycle = new Lifecycle()
  const fastify = createServer({ log, trustedProxies: config.callers.trustedProxies, lifecycle, traces, unreadObservers: [metrics, problems] })
  const { timeoutMs, waitMs, idleTimeoutMs } = config.procore
  fastify.server.setTimeout(2 * timeoutMs + waitMs + idleTimeoutMs + limits.lookUpTimeoutMs + limits.unreadTimeoutMs)
  const shared = await shareState(config, log)
  const procore = new Procore(config.procore, config.proxy, log, shared, ms => metrics.noteToken(ms))
  const callers = new Callers(config.callers, config.proxy, log)
  const keys = new Keys(shared?.keys ?? new MemoryKeys(), config.procore.clientSecret)
  const audit = new Audit(log, config.procore.clientSecret)
  const forms = new Forms()
  const parts = { lifecycle, procore, callers, store: shared?.store, forms }
  addGauges(metrics.registry, parts)
  for (const endpoint of endpoints) metrics.expect(endpoint)
  const paths = new Paths(fastify)

  addObservers(fastify, request => traces?.trail(request) ?? plainTrail(request), [accessLog(lineWriter(log)), metrics.note, problems.note, ...(traces === undefined ? [] : [traces.note]), lifecycle.note])
  lifecycle.addHooks(fastify)
  addRefusals(fastify, paths)
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done(findDoubtful(request.raw))
  })
  fastify.addHook('onSend', (request, _reply, payload, done) => {
    linger(request.raw)
    done(null, payload)
  })
  await addCors(fastify, config.callers.corsOrigins)
  await addOpenapi(fastify, config)
  await addDocs(fastify)
  await fastify.register(health, parts)
  metrics.serve(fastify)
  if (config.observe.statusPage) await addStatus(fastify, parts, problems)
  await fastify.register(async scope => {
    await callers.guard(scope, shared)
    await scope.register(mirror, { endpoints, bodies: config.bodies, maxUploadsOfCaller: config.callers.maxUploads, procore, keys, audit, kept: new KeptAnswers(config.cache.lifetimeMs), forms })
  })
  paths.close(fastify)
  fastify.addHook('onClose', async () => {
    await Promise.all([procore.close(), callers.close()])
    // What ended with the connections to Procore has to be written under its keys first.
    await new Promise(resolve => setImmediate(resolve))
    await shared?.close()
    await traces?.close()
  })
  return { fastify, procore, lifecycle, callers, store: shared?.store }
}

/** The store's client is loaded only where there is a store. */
async function shareState (config: Config, log: FastifyBaseLogger): Promise<Shared | undefined> {
  const { redisUrl } = config.state
  if (redisUrl === undefined) return undefined
  const { openShared } = await import('./state/shared.ts')
  return openShared(config, redisUrl, log)
}

/** What traces need is loaded only where they are wanted. */
async function openTraces ({ tracesUrl }: Config['observe'], log: FastifyBaseLogger): Promise<Traces | undefined> {
  if (tracesUrl === undefined) return undefined
  const { Traces } = await import('./observe/traces.ts')
  return new Traces(tracesUrl, log)
}
