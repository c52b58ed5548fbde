/** buildApp(config): the one file that knows every part, and registers them in the order of a request's way. It decides nothing about a request. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { Callers } from './auth/plugin.ts'
import { addCors } from './auth/cors.ts'
import type { Config } from './config/index.ts'
import { describeEndpoints } from './endpoints/index.ts'
import { judgeHeads } from './server/request-guards.ts'
import { addLinger } from './server/lingering-close.ts'
import { Lifecycle } from './server/in-flight.ts'
import { KeptAnswers } from './proxy/response-cache.ts'
import { Keys } from './proxy/idempotency/idempotency.ts'
import { mirror } from './proxy/plugin.ts'
import { Forms } from './proxy/body/upload-limiter.ts'
import { accessLog } from './telemetry/access-log.ts'
import { Audit } from './telemetry/audit.ts'
import { addObservers, plainTrail } from './telemetry/request-end.ts'
import { addGauges } from './telemetry/gauges.ts'
import { health } from './health/plugin.ts'
import { LatestProblems } from './telemetry/recent-problems.ts'
import { lineWriter } from './telemetry/logger.ts'
import { Metrics } from './telemetry/metrics.ts'
import type { Traces } from './telemetry/tracing.ts'
import { addDocs } from './ui/docs/plugin.ts'
import { addOpenapi } from './openapi/plugin.ts'
import { addStatus } from './ui/status/plugin.ts'
import { Paths } from './server/method-not-allowed.ts'
import { Procore } from './procore/client.ts'
import { addRefusals } from './server/error-handler.ts'
import { createServer } from './server/create-server.ts'
import type { SharedStore } from './storage/redis.ts'
import { MemoryKeys } from './storage/memory-idempotency-store.ts'
import type { Shared } from './storage/index.ts'

/** The service that was built, with what a process that runs it has to start, stop or ask. */
export interface App {
  readonly fastify: FastifyInstance
  readonly procore: Procore
  readonly lifecycle: Lifecycle
  readonly callers: Callers
  /** What replicas share, if they do. */
  readonly store: SharedStore | undefined
}

/**
 * Builds the service without listening or asking for a token; `fastify.close()` ends all that it holds.
 * @param endpoints instead of those that the configuration describes
 * @throws when what a start needs can't be made of the configuration, such as the shapes of the endpoints
 */
export async function buildApp (config: Config, log: FastifyBaseLogger, endpoints = describeEndpoints(config.endpoints)): Promise<App> {
  const metrics = new Metrics()
  const problems = new LatestProblems()
  const traces = await openTraces(config.observe, log)
  const lifecycle = new Lifecycle()
  const fastify = createServer(config, { log, lifecycle, traces, unreadObservers: [metrics, problems] })
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
  addRefusals(fastify)
  addLinger(fastify)
  judgeHeads(fastify, paths)
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
  const { openShared } = await import('./storage/index.ts')
  return openShared(config, redisUrl, log)
}

/** What traces need is loaded only where they are wanted. */
async function openTraces ({ tracesUrl }: Config['observe'], log: FastifyBaseLogger): Promise<Traces | undefined> {
  if (tracesUrl === undefined) return undefined
  const { Traces } = await import('./telemetry/tracing.ts')
  return new Traces(tracesUrl, log)
}
