/**
 * Counts the requests of callers in Redis, together with all replicas, and locally while Redis is down. It is imported,
 * and ioredis with it, only if `REDIS_URL` is set.
 */
import type { FastifyRateLimitOptions, FastifyRateLimitStore } from '@fastify/rate-limit'
import LocalStore from '@fastify/rate-limit/store/LocalStore.js'
import RedisStore from '@fastify/rate-limit/store/RedisStore.js'
import { limits } from '../config/limits.ts'
import { redisKeyPrefix, type RedisConnection } from '../storage/redis.ts'

type RateLimitStoreClass = new (options: FastifyRateLimitOptions) => FastifyRateLimitStore

interface RateLimitCount {
  current: number
  ttl: number
}

/**
 * Creates the store class for @fastify/rate-limit.
 * @param pseudonymize hides the caller's subject or address in Redis
 */
export function createRateLimitStore (
  store: RedisConnection,
  pseudonymize: (callerId: string) => string
): RateLimitStoreClass {
  return class implements FastifyRateLimitStore {
    readonly #local = new LocalStore(false, false, limits.callerRate.callersMax)
    readonly #redis = new RedisStore(false, false, store.client, `${redisKeyPrefix}rate:`)

    incr (...[callerId, callback, windowMs, max]: Parameters<FastifyRateLimitStore['incr']>): void {
      const countInRedis = () => new Promise<RateLimitCount | undefined>((resolve, reject) => {
        const settle: typeof callback = (error, result) => error === null ? resolve(result) : reject(error)
        this.#redis.incr(pseudonymize(callerId), settle, windowMs, max)
      })
      const countLocally = () => this.#local.incr(callerId, callback, windowMs, max)
      store.run(countInRedis).then(result => callback(null, result), countLocally)
    }

    child (): this {
      return this
    }
  }
}
