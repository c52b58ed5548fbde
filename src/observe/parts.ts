/** The parts of the service that are looked at from outside: by whoever asks for health, metrics or status. */
import type { Callers } from '../callers/callers.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Forms } from '../mirror/forms-under-way.ts'
import type { Procore } from '../procore/procore.ts'
import type { Standing } from '../standing.ts'
import type { SharedStore } from '../state/redis.ts'

export interface Parts {
  lifecycle: Lifecycle
  procore: Procore
  callers: Callers
  /** Nothing where replicas share nothing. */
  store: SharedStore | undefined
  forms: Forms
}

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

export type Phase = 'ready' | 'starting' | 'stopping'

/** Once it was ready, an outage of Procore's is no reason to leave: the other replicas are no better off. */
export function phaseOf ({ lifecycle, procore }: Parts): Phase {
  return lifecycle.stopping ? 'stopping' : procore.tokens.ready ? 'ready' : 'starting'
}
