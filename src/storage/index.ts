/**
 * Creates the state that replicas share by one Redis connection: idempotency keys, rate limit and access token. This
 * file, and ioredis with it, is imported only if `REDIS_URL` is set.
 */
import { LRUCache } from 'lru-cache'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import type { ReplicaCoordination } from '../procore/client.ts'
import type { Secret } from '../config/secret.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { IdempotencyStore } from './idempotency-store.ts'
import type { ImportStore } from './import-store.ts'
import { MemoryIdempotencyStore } from './memory-idempotency-store.ts'
import { RedisIdempotencyStore } from './redis-idempotency-store.ts'
import { RedisImportStore } from './redis-import-store.ts'
import { RedisConnection } from './redis.ts'
import { Encryptor } from './encryption.ts'
import { SharedCreates } from './shared-creates.ts'
import { SharedRateLimiter } from './shared-rate-limit.ts'
import { FallbackIdempotencyStore } from './fallback-idempotency-store.ts'
import { withSharedAccessToken } from './shared-token.ts'

export interface SharedState extends ReplicaCoordination {
  redis: RedisConnection
  idempotencyStore: IdempotencyStore
  importStore: ImportStore
  /** Returns an HMAC of the caller's id, for use in names of Redis keys. */
  pseudonymize (callerId: string): string
  /** Waits for pending writes, then disconnects. */
  close (): Promise<void>
}

/** Creates the state without connecting: `redis.start()` connects. */
export function createSharedState (
  { storage, procore }: Pick<Config, 'storage' | 'procore'>, redisUrl: Secret, log: Logger
): SharedState {
  const redis = new RedisConnection(redisUrl, log)
  const clientSecretEncryptor = new Encryptor(procore.clientSecret)
  const { stateKeys } = storage
  const [newestEncryptor = clientSecretEncryptor, ...olderEncryptors] =
    stateKeys.map(stateKey => new Encryptor(stateKey))
  const stateEncryptors: [Encryptor, ...Encryptor[]] = [newestEncryptor, ...olderEncryptors]
  const redisIdempotencyStore = new RedisIdempotencyStore(redis, stateEncryptors, clientSecretEncryptor)
  const idempotencyStore = new FallbackIdempotencyStore(
    redisIdempotencyStore, new MemoryIdempotencyStore(), storage.redisOutagePolicy
  )
  const pseudonyms = new LRUCache<string, string>({ max: limits.callerRate.callersMax })
  const pseudonymize = (callerId: string) => {
    const name = `${newestEncryptor.keyId} ${callerId}`
    const pseudonym = pseudonyms.get(name) ?? newestEncryptor.pseudonymize(callerId)
    pseudonyms.set(name, pseudonym)
    return pseudonym
  }
  const sharedCreates = new SharedCreates(redis, stateEncryptors)
  const rateLimiter = new SharedRateLimiter(redis, pseudonymize)
  return {
    redis,
    pseudonymize,
    idempotencyStore,
    importStore: new RedisImportStore(redis, stateEncryptors, storage.redisOutagePolicy),
    rateLimiter,
    sharedCreates,
    withSharedAccessToken: fetchAccessToken => {
      return withSharedAccessToken(redis, clientSecretEncryptor, fetchAccessToken)
    },
    close: async () => {
      redisIdempotencyStore.close()
      sharedCreates.write()
      await redis.waitUntilIdle()
      await redis.close()
    },
  }
}
