/** All that replicas share, over one connection: keys, allowance, token. The one file that knows all parts of this room, and loaded only where there is a store. */
import type { Config } from '../config/index.ts'
import type { ReplicaCoordination } from '../procore/client.ts'
import type { Secret } from '../config/secret.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { IdempotencyStore } from './idempotency-store.ts'
import { MemoryIdempotencyStore } from './memory-idempotency-store.ts'
import { RedisIdempotencyStore } from './redis-idempotency-store.ts'
import { RedisConnection } from './redis.ts'
import { Seal } from './encryption.ts'
import { SharedRateLimiter } from './shared-rate-limit.ts'
import { FallbackIdempotencyStore } from './fallback-idempotency-store.ts'
import { withSharedAccessToken } from './shared-token.ts'

/** What the rest of the service is given of it. */
export interface SharedState extends ReplicaCoordination {
  redis: RedisConnection
  idempotencyStore: IdempotencyStore
  /** A name that says nothing of a caller. */
  pseudonymize (callerId: string): string
  /** Writes what has to be written, then leaves. */
  close (): Promise<void>
}

/** Connects nobody yet: `store.start()` does. */
export function createSharedState ({ storage, procore }: Pick<Config, 'storage' | 'procore'>, redisUrl: Secret, log: Logger): SharedState {
  const redis = new RedisConnection(redisUrl, log)
  const seal = new Seal(procore.clientSecret)
  const redisIdempotencyStore = new RedisIdempotencyStore(redis, seal)
  const rateLimiter = new SharedRateLimiter(redis)
  return {
    redis,
    pseudonymize: callerId => seal.pseudonymize(callerId),
    idempotencyStore: new FallbackIdempotencyStore(redisIdempotencyStore, new MemoryIdempotencyStore(), storage.redisOutagePolicy),
    rateLimiter,
    withSharedAccessToken: request => withSharedAccessToken(redis, seal, request),
    close: async () => {
      redisIdempotencyStore.close()
      rateLimiter.close()
      await redis.waitUntilIdle()
      await redis.close()
    },
  }
}
