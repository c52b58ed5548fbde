/** buildApp(config): the one file that knows every part, and registers them in the order of a request's way. It decides nothing about a request. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { AuthPlugin } from './auth/plugin.ts'
import { registerCors } from './auth/cors.ts'
import type { Config } from './config/index.ts'
import { createEndpoints } from './endpoints/index.ts'
import { registerRequestGuards } from './server/request-guards.ts'
import { registerLingeringClose } from './server/lingering-close.ts'
import { InFlightRequests } from './server/in-flight.ts'
import { ResponseCache } from './proxy/response-cache.ts'
import { Idempotency } from './proxy/idempotency/idempotency.ts'
import { proxyPlugin } from './proxy/plugin.ts'
import { ActiveForms } from './proxy/body/upload-limiter.ts'
import { createAccessLog } from './telemetry/access-log.ts'
import { Audit } from './telemetry/audit.ts'
import { registerRequestEnd, createRecord } from './telemetry/request-end.ts'
import { registerGauges } from './telemetry/gauges.ts'
import { healthPlugin } from './health/plugin.ts'
import { RecentProblems } from './telemetry/recent-problems.ts'
import { createLineWriter } from './telemetry/logger.ts'
import { Metrics } from './telemetry/metrics.ts'
import type { RequestTracer } from './telemetry/tracing.ts'
import { registerDocs } from './ui/docs/plugin.ts'
import { registerOpenapi } from './openapi/plugin.ts'
import { registerStatusPage } from './ui/status/plugin.ts'
import { AllowedMethods } from './server/method-not-allowed.ts'
import { ProcoreClient } from './procore/client.ts'
import { registerErrorHandler } from './server/error-handler.ts'
import { createServer } from './server/create-server.ts'
import type { RedisConnection } from './storage/redis.ts'
import { MemoryIdempotencyStore } from './storage/memory-idempotency-store.ts'
import type { SharedState } from './storage/index.ts'

/** The service that was built, with what a process that runs it has to start, stop or ask. */
export interface App {
  readonly fastify: FastifyInstance
  readonly procore: ProcoreClient
  readonly inFlight: InFlightRequests
  readonly auth: AuthPlugin
  /** What replicas share, if they do. */
  readonly store: RedisConnection | undefined
}

/**
 * Builds the service without listening or asking for a token; `fastify.close()` ends all that it holds.
 * @param endpoints instead of those that the configuration describes
 * @throws when what a start needs can't be made of the configuration, such as the shapes of the endpoints
 */
export async function buildApp (config: Config, log: FastifyBaseLogger, endpoints = createEndpoints(config.endpoints)): Promise<App> {
  const metrics = new Metrics()
  const recentProblems = new RecentProblems()
  const tracing = await loadTracing(config.telemetry, log)
  const inFlight = new InFlightRequests()
  const fastify = createServer(config, { log, inFlight, tracing, parseErrorObservers: [metrics, recentProblems] })
  const sharedState = await loadSharedState(config, log)
  const procore = new ProcoreClient(config.procore, config.proxy, log, sharedState, ms => metrics.recordAccessTokenRequest(ms))
  const auth = new AuthPlugin(config.auth, config.proxy, log)
  const idempotency = new Idempotency(sharedState?.idempotencyStore ?? new MemoryIdempotencyStore(), config.procore.clientSecret)
  const audit = new Audit(log, config.procore.clientSecret)
  const activeForms = new ActiveForms()
  const components = { inFlight, procore, auth, redis: sharedState?.redis, activeForms }
  registerGauges(metrics.registry, components)
  for (const endpoint of endpoints) metrics.initialize(endpoint)
  const allowedMethods = new AllowedMethods(fastify)

  registerRequestEnd(fastify, request => tracing?.createRecord(request) ?? createRecord(request), [createAccessLog(createLineWriter(log)), metrics.onRequestEnd, recentProblems.onRequestEnd, ...(tracing === undefined ? [] : [tracing.onRequestEnd]), inFlight.onRequestEnd])
  inFlight.registerHooks(fastify)
  registerErrorHandler(fastify)
  registerLingeringClose(fastify)
  registerRequestGuards(fastify, allowedMethods)
  await registerCors(fastify, config.auth.corsOrigins)
  await registerOpenapi(fastify, config)
  await registerDocs(fastify)
  await fastify.register(healthPlugin, components)
  metrics.registerRoute(fastify)
  if (config.telemetry.statusPage) await registerStatusPage(fastify, components, recentProblems)
  await fastify.register(async scope => {
    await auth.register(scope, sharedState)
    await scope.register(proxyPlugin, { endpoints, bodyLimits: config.body, maxUploadsPerCaller: config.auth.maxUploads, procore, idempotency, audit, responseCache: new ResponseCache(config.cache.ttlMs), activeForms })
  })
  allowedMethods.registerFallbacks(fastify)
  fastify.addHook('onClose', async () => {
    await Promise.all([procore.close(), auth.close()])
    // What ended with the connections to Procore has to be written under its keys first.
    await new Promise(resolve => setImmediate(resolve))
    await sharedState?.close()
    await tracing?.close()
  })
  return { fastify, procore, inFlight, auth, store: sharedState?.redis }
}

/** The store's client is loaded only where there is a store. */
async function loadSharedState (config: Config, log: FastifyBaseLogger): Promise<SharedState | undefined> {
  const { redisUrl } = config.storage
  if (redisUrl === undefined) return undefined
  const { createSharedState } = await import('./storage/index.ts')
  return createSharedState(config, redisUrl, log)
}

/** What traces need is loaded only where they are wanted. */
async function loadTracing ({ tracesUrl }: Config['telemetry'], log: FastifyBaseLogger): Promise<RequestTracer | undefined> {
  if (tracesUrl === undefined) return undefined
  const { RequestTracer } = await import('./telemetry/tracing.ts')
  return new RequestTracer(tracesUrl, log)
}
