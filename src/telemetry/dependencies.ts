/** Derives the health of the service from its components, for health checks, metrics and the status page. */
import type { JwksCache } from '../auth/jwks.ts'
import type { InFlightRequests } from '../server/in-flight.ts'
import type { ActiveForms } from '../proxy/body/active-forms.ts'
import type { ProcoreClient } from '../procore/client.ts'
import type { DependencyStatus } from './dependency-status.ts'
import type { LogOutput } from './log-writer.ts'
import type { RedisConnection } from '../storage/redis.ts'

/** The observed components. Reading them changes nothing. */
export interface ObservedComponents {
  inFlight: InFlightRequests
  procore: ProcoreClient
  /** Absent if callers are not authenticated. */
  jwks: JwksCache | undefined
  /** Absent without `REDIS_URL`. */
  redis: RedisConnection | undefined
  activeForms: ActiveForms
  logOutput: LogOutput
}

/** One value per system that the service depends on: Procore's two hosts, and the others if they are configured. */
export interface Dependencies<Value> {
  login: Value
  api: Value
  identity?: Value
  redis?: Value
}

/** Applies a function to the status of each configured dependency. */
export function mapDependencies<Value> (
  { procore, jwks, redis }: ObservedComponents, transform: (status: DependencyStatus) => Value
): Dependencies<Value> {
  return {
    login: transform(procore.accessTokens.status),
    api: transform(procore.apiStatus),
    ...(jwks !== undefined && { identity: transform(jwks.status) }),
    ...(redis !== undefined && { redis: transform(redis.status) }),
  }
}

/** What the process is doing. It becomes `ready` when it obtains its first access token. */
export type Phase = 'ready' | 'starting' | 'stopping'

/** Returns the phase. An outage of Procore does not end `ready`, since it affects the other replicas just as well. */
export function getPhase ({ inFlight, procore }: ObservedComponents): Phase {
  if (inFlight.isDraining) return 'stopping'
  return procore.accessTokens.isReady ? 'ready' : 'starting'
}
