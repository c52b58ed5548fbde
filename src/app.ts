/** Builds the service from its parts and registers them in the order in which a request passes through them. */
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
import type { ObservedComponents } from './telemetry/dependencies.ts'
import { RecentProblems } from './telemetry/recent-problems.ts'
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

/** A built service, with the components that the process starts, stops or queries. */
export interface App {
  readonly fastify: FastifyInstance
  readonly procore: ProcoreClient
  readonly inFlight: InFlightRequests
  readonly auth: AuthPlugin
  /** Redis, which replicas share; undefined when each replica works alone. */
  readonly redis: RedisConnection | undefined
}

/**
 * Builds the service without listening or requesting an access token. `fastify.close()` releases everything it opened.
 * @param endpoints replaces the endpoints of the configuration
 * @throws when the configuration cannot be turned into a service, for example when an endpoint's schema does not
 * compile
 */
export async function buildApp (
  config: Config,
  log: FastifyBaseLogger,
  endpoints = createEndpoints(config.endpoints)
): Promise<App> {
  const metrics = new Metrics()
  const recentProblems = new RecentProblems()
  const tracing = await loadTracing(config.telemetry, log)
  const inFlight = new InFlightRequests()
  const fastify = createServer(config, { log, inFlight, tracing, parseErrorObservers: [metrics, recentProblems] })
  const sharedState = await loadSharedState(config, log)
  const onAccessTokenRequest = (durationMs: number) => metrics.recordAccessTokenRequest(durationMs)
  const procore = new ProcoreClient(config.procore, config.proxy, log, sharedState, onAccessTokenRequest)
  const auth = new AuthPlugin(config.auth, config.proxy, log)
  const idempotencyStore = sharedState?.idempotencyStore ?? new MemoryIdempotencyStore()
  const idempotency = new Idempotency(idempotencyStore, config.procore.clientSecret)
  const audit = new Audit(log, config.procore.clientSecret)
  const activeForms = new ActiveForms()
  const components: ObservedComponents = { inFlight, procore, auth, redis: sharedState?.redis, activeForms }
  registerGauges(metrics.registry, components)
  for (const endpoint of endpoints) metrics.initialize(endpoint)
  const allowedMethods = new AllowedMethods(fastify)

  registerRequestEnd(fastify, request => tracing?.createRecord(request) ?? createRecord(request), [
    createAccessLog(log),
    metrics.onRequestEnd,
    recentProblems.onRequestEnd,
    ...(tracing === undefined ? [] : [tracing.onRequestEnd]),
    inFlight.onRequestEnd,
  ])
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
    await scope.register(proxyPlugin, {
      endpoints,
      bodyLimits: config.body,
      maxUploadsPerCaller: config.auth.maxUploads,
      procore,
      idempotency,
      audit,
      responseCache: new ResponseCache(config.cache.ttlMs),
      activeForms,
    })
  })
  allowedMethods.registerFallbacks(fastify)
  fastify.addHook('onClose', async () => {
    await Promise.all([procore.close(), auth.close()])
    // Requests that ended with the connections to Procore first store their outcome under their idempotency key.
    await new Promise(resolve => setImmediate(resolve))
    await sharedState?.close()
    await tracing?.close()
  })
  return { fastify, procore, inFlight, auth, redis: sharedState?.redis }
}

/** Loads the Redis client only when Redis is configured. */
async function loadSharedState (config: Config, log: FastifyBaseLogger): Promise<SharedState | undefined> {
  const { redisUrl } = config.storage
  if (redisUrl === undefined) return undefined
  const { createSharedState } = await import('./storage/index.ts')
  return createSharedState(config, redisUrl, log)
}

/** Loads OpenTelemetry only when traces are exported. */
async function loadTracing (
  { tracesUrl }: Config['telemetry'],
  log: FastifyBaseLogger
): Promise<RequestTracer | undefined> {
  if (tracesUrl === undefined) return undefined
  const { RequestTracer } = await import('./telemetry/tracing.ts')
  return new RequestTracer(tracesUrl, log)
}
