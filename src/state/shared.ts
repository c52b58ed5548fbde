/** All that replicas share, over one connection: keys, allowance, token. Nothing of it where no store is configured. */
import type { Config } from '../config.ts'
import type { SharedByReplicas } from '../procore/procore.ts'
import type { KeyStore } from './keys.ts'
import { MemoryKeys } from './memory-keys.ts'
import { RedisKeys } from './redis-keys.ts'
import { SharedStore, type StateLog } from './redis.ts'
import { Seal } from './seal.ts'
import { SharedAllowance } from './shared-allowance.ts'
import { SharedKeys } from './shared-keys.ts'
import { sharedTokenRequest } from './shared-token.ts'

export interface Shared extends SharedByReplicas {
  store: SharedStore
  keys: KeyStore
  /** A name that says nothing of a caller. */
  nameOf (callerId: string): string
  close (): Promise<void>
}

export function openShared ({ state, procore }: Pick<Config, 'state' | 'procore'>, log: StateLog): Shared | undefined {
  if (state.redisUrl === undefined) return undefined
  const store = new SharedStore(state.redisUrl, log)
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
