/** Builds the service from its parts and registers them in the order in which a request passes through them. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { authPlugin } from './auth/plugin.ts'
import { corsPlugin } from './auth/cors.ts'
import { JwksCache } from './auth/jwks.ts'
import { originPlugin } from './auth/origin.ts'
import type { Config } from './config/index.ts'
import { getConnectionWaitMs } from './config/longest-wait.ts'
import { createEndpoints } from './endpoints/index.ts'
import { healthPlugin } from './health/plugin.ts'
import { openapiPlugin } from './openapi/plugin.ts'
import { ProcoreClient } from './procore/client.ts'
import { ActiveForms } from './proxy/body/active-forms.ts'
import { Idempotency } from './proxy/idempotency/idempotency.ts'
import { OriginIds } from './proxy/idempotency/origin-ids.ts'
import { proxyPlugin } from './proxy/plugin.ts'
import { ResponseCache } from './proxy/response-cache.ts'
import { UsageLimiter } from './proxy/usage.ts'
import { closeConnectionsPlugin } from './server/shutdown.ts'
import { createServer } from './server/create-server.ts'
import { errorHandlerPlugin } from './server/error-handler.ts'
import { inFlightPlugin, InFlightRequests } from './server/in-flight.ts'
import { lingeringClosePlugin } from './server/lingering-close.ts'
import { AllowedMethods, methodNotAllowedPlugin } from './server/method-not-allowed.ts'
import { requestGuardsPlugin } from './server/request-guards.ts'
import type { SharedState } from './storage/index.ts'
import { MemoryIdempotencyStore } from './storage/memory-idempotency-store.ts'
import { MemoryImportStore } from './storage/memory-import-store.ts'
import type { RedisConnection } from './storage/redis.ts'
import { createAccessLog } from './telemetry/access-log.ts'
import { Audit } from './telemetry/audit.ts'
import type { ObservedComponents } from './telemetry/dependencies.ts'
import { addGauges } from './telemetry/gauges.ts'
import type { Logs } from './telemetry/logger.ts'
import { Metrics, metricsPlugin } from './telemetry/metrics.ts'
import { createRefusalAudit } from './telemetry/refusal-audit.ts'
import { RecentProblems } from './telemetry/recent-problems.ts'
import { createRecord } from './telemetry/request-record.ts'
import type { RequestTracer } from './telemetry/tracing.ts'
import { docsPlugin } from './ui/docs/plugin.ts'
import { statusPagePlugin } from './ui/status/plugin.ts'

/** A built service, with the components that the process starts, stops or queries. */
export interface App {
  readonly fastify: FastifyInstance
  readonly procore: ProcoreClient
  readonly inFlight: InFlightRequests
  /** Keys of the issuer of the callers' JWTs; undefined if callers are not authenticated. */
  readonly jwks: JwksCache | undefined
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
  logs: Logs,
  endpoints = createEndpoints(config.endpoints)
): Promise<App> {
  const { auth, body, cache, procore: { clientSecret }, proxy, storage, telemetry } = config
  const { log, output: logOutput } = logs
  const tracing = await loadTracing(config, log)
  const sharedState = await loadSharedState(config, log)
  const metrics = new Metrics(endpoints, tracing !== undefined)
  const recentProblems = new RecentProblems()
  const audit = new Audit(logs, clientSecret)
  const usageLimiter = new UsageLimiter(config.usage)
  const listeners = [createAccessLog(log), createRefusalAudit(audit), metrics, recentProblems, usageLimiter]
  const inFlight = new InFlightRequests(tracing === undefined ? listeners : [...listeners, tracing])
  const onAccessTokenRequest = (durationMs: number) => metrics.recordAccessTokenRequest(durationMs)
  const procore = new ProcoreClient(config.procore, proxy, log, sharedState, onAccessTokenRequest)
  const jwks = auth.jwt === undefined ? undefined : new JwksCache(auth.jwt.jwksUrl, proxy, log)
  const activeForms = new ActiveForms()
  const components: ObservedComponents = { inFlight, procore, jwks, redis: sharedState?.redis, activeForms, logOutput }
  addGauges(metrics.registry, components)
  const allowedMethods = new AllowedMethods()

  const fastify = createServer(config, { log, inFlight, parseErrorObservers: [metrics, recentProblems] })
  await fastify.register(inFlightPlugin, { inFlight, startRecord: tracing?.startRecord ?? createRecord })
  await fastify.register(errorHandlerPlugin)
  await fastify.register(lingeringClosePlugin)
  await fastify.register(requestGuardsPlugin, { allowedMethods })
  await fastify.register(corsPlugin, { origins: auth.corsOrigins })
  await fastify.register(originPlugin, { config })
  await fastify.register(openapiPlugin, { config })
  await fastify.register(docsPlugin)
  await fastify.register(healthPlugin, components)
  await fastify.register(metricsPlugin, { metrics })
  if (telemetry.statusPage) await fastify.register(statusPagePlugin, { components, recentProblems })
  await fastify.register(authPlugin, { config: auth, jwks, sharedRateLimit: sharedState })
  await fastify.register(proxyPlugin, {
    endpoints,
    bodyLimits: body,
    responseLimits: config.response,
    fileMaxBytes: config.procore.files.maxBytes,
    procore,
    idempotency: new Idempotency(
      sharedState?.idempotencyStore ?? new MemoryIdempotencyStore(), storage.stateKeys.at(-1) ?? clientSecret
    ),
    originIds: new OriginIds(storage.originIdPrefix, storage.stateKeys.length > 0 ? storage.stateKeys : [clientSecret]),
    audit,
    responseCache: new ResponseCache(cache.ttlMs, inFlight.trackBackground),
    activeForms,
    usageLimiter,
    imports: {
      log,
      importStore: sharedState?.importStore ?? new MemoryImportStore(),
      exchangeMaxMs: getConnectionWaitMs(config.procore) + config.procore.timeoutMs,
      onDraining: listener => inFlight.onDraining(listener),
    },
  })
  await fastify.register(methodNotAllowedPlugin, { allowedMethods })
  await fastify.register(closeConnectionsPlugin, { upstreams: [procore, jwks], sharedState, tracing })
  return { fastify, procore, inFlight, jwks, redis: sharedState?.redis }
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
  { telemetry: { tracing }, procore, proxy }: Pick<Config, 'telemetry' | 'procore' | 'proxy'>,
  log: FastifyBaseLogger
): Promise<RequestTracer | undefined> {
  if (tracing === undefined) return undefined
  const { RequestTracer } = await import('./telemetry/tracing.ts')
  return new RequestTracer(tracing, procore.apiUrl, proxy, log)
}
