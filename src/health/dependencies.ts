/** The parts of the service that are looked at from outside: by whoever asks for health, metrics or status. They know nothing of it. */
import type { AuthPlugin } from '../auth/plugin.ts'
import type { InFlightRequests } from '../server/in-flight.ts'
import type { ActiveForms } from '../proxy/body/upload-limiter.ts'
import type { ProcoreClient } from '../procore/client.ts'
import type { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { RedisConnection } from '../storage/redis.ts'

/** All of them; who looks changes nothing. */
export interface ObservedComponents {
  lifecycle: InFlightRequests
  procore: ProcoreClient
  callers: AuthPlugin
  /** Nothing where replicas share nothing. */
  store: RedisConnection | undefined
  forms: ActiveForms
}

/** Something told of each host or system that this service depends on: Procore's two hosts always, the others where they are configured. */
export interface Dependencies<Of> {
  login: Of
  api: Of
  identity?: Of
  redis?: Of
}

/** What this service depends on, as it is configured. */
export function mapDependencies<Of> ({ procore, callers, store }: ObservedComponents, transform: (standing: DependencyStatus) => Of): Dependencies<Of> {
  return {
    login: transform(procore.accessTokens.status),
    api: transform(procore.apiStatus),
    ...(callers.jwks !== undefined && { identity: transform(callers.jwks.status) }),
    ...(store !== undefined && { redis: transform(store.status) }),
  }
}

/** What the process is doing: it is `ready` from its first token on. */
export type Phase = 'ready' | 'starting' | 'stopping'

/** Once it was ready, an outage of Procore's is no reason to leave: the other replicas are no better off. */
export function getPhase ({ lifecycle, procore }: ObservedComponents): Phase {
  return lifecycle.isDraining ? 'stopping' : procore.accessTokens.isReady ? 'ready' : 'starting'
}
