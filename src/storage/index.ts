/** All that replicas share, over one connection: keys, allowance, token. The one file that knows all parts of this room, and loaded only where there is a store. */
import type { Config } from '../config/index.ts'
import type { SharedByReplicas } from '../procore/client.ts'
import type { Secret } from '../config/secret.ts'
import type { KeyStore } from './idempotency-store.ts'
import { MemoryKeys } from './memory-idempotency-store.ts'
import { RedisKeys } from './redis-idempotency-store.ts'
import { SharedStore, type StateLog } from './redis.ts'
import { Seal } from './encryption.ts'
import { SharedAllowance } from './shared-rate-limit.ts'
import { SharedKeys } from './fallback-idempotency-store.ts'
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
