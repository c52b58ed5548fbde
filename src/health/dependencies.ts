/** The parts of the service that are looked at from outside: by whoever asks for health, metrics or status. They know nothing of it. */
import type { Callers } from '../auth/plugin.ts'
import type { Lifecycle } from '../server/in-flight.ts'
import type { Forms } from '../proxy/body/upload-limiter.ts'
import type { Procore } from '../procore/client.ts'
import type { Standing } from '../telemetry/dependency-status.ts'
import type { SharedStore } from '../storage/redis.ts'

/** All of them; who looks changes nothing. */
export interface Parts {
  lifecycle: Lifecycle
  procore: Procore
  callers: Callers
  /** Nothing where replicas share nothing. */
  store: SharedStore | undefined
  forms: Forms
}

/** Something told of each host or system that this service depends on: Procore's two hosts always, the others where they are configured. */
export interface Dependencies<Of> {
  login: Of
  api: Of
  identity?: Of
  redis?: Of
}

/** What this service depends on, as it is configured. */
export function dependenciesOf<Of> ({ procore, callers, store }: Parts, tell: (standing: Standing) => Of): Dependencies<Of> {
  return {
    login: tell(procore.tokens.standing),
    api: tell(procore.api),
    ...(callers.keys !== undefined && { identity: tell(callers.keys.standing) }),
    ...(store !== undefined && { redis: tell(store.standing) }),
  }
}

/** What the process is doing: it is `ready` from its first token on. */
export type Phase = 'ready' | 'starting' | 'stopping'

/** Once it was ready, an outage of Procore's is no reason to leave: the other replicas are no better off. */
export function phaseOf ({ lifecycle, procore }: Parts): Phase {
  return lifecycle.stopping ? 'stopping' : procore.tokens.ready ? 'ready' : 'starting'
}
