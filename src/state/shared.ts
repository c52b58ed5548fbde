/** All that replicas share, over one connection: keys, allowance, token. The one file that knows all parts of this room, and loaded only where there is a store. */
import type { Config } from '../config.ts'
import type { SharedByReplicas } from '../procore/procore.ts'
import type { Secret } from '../secret.ts'
import type { KeyStore } from './keys.ts'
import { MemoryKeys } from './memory-keys.ts'
import { RedisKeys } from './redis-keys.ts'
import { SharedStore, type StateLog } from './redis.ts'
import { Seal } from './seal.ts'
import { SharedAllowance } from './shared-allowance.ts'
import { SharedKeys } from './shared-keys.ts'
import { sharedTokenRequest } from './shared-token.ts'

/** What the rest of the service is given of it. */
export interface Shared extends SharedByReplicas {
  store: SharedStore
  keys: KeyStore
  /** A name that says nothing of a caller. */
  nameOf (callerId: string): string
  /** Writes what has to be written, then leaves. */
  close (): Promise<void>
}

/** Connects nobody yet: `store.start()` does. */
export function openShared ({ state, procore }: Pick<Config, 'state' | 'procore'>, redisUrl: Secret, log: StateLog): Shared {
  const store = new SharedStore(redisUrl, log)
  const seal = new Seal(procore.clientSecret)
  const keys = new RedisKeys(store, seal)
  const allowance = new SharedAllowance(store)
  return {
    store,
    nameOf: callerId => seal.nameOf(callerId),
    keys: new SharedKeys(keys, new MemoryKeys(), state.withoutStore),
    allowance,
    tokenRequest: request => sharedTokenRequest(store, seal, request),
    close: async () => {
      keys.close()
      allowance.close()
      await store.quiet()
      await store.close()
    },
  }
}
