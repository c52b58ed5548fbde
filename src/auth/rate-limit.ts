/**
 * Where the requests of callers are counted: by all replicas together while the shared store is there, by this one alone while it is away.
 * It knows a caller by its name only.
 */
import type { FastifyRateLimitOptions, FastifyRateLimitStore } from '@fastify/rate-limit'
import LocalStore from '@fastify/rate-limit/store/LocalStore.js'
import RedisStore from '@fastify/rate-limit/store/RedisStore.js'
import { limits } from '../config/limits.ts'
import { redisKeyPrefix, type RedisConnection } from '../storage/redis.ts'

/** The class that the plugin makes its store of. @param pseudonymize says nothing of a caller's subject or address */
export function createRateLimitStore (store: RedisConnection, pseudonymize: (callerId: string) => string): new (options: FastifyRateLimitOptions) => FastifyRateLimitStore {
  return class implements FastifyRateLimitStore {
    readonly #local = new LocalStore(false, false, limits.callerRate.callersMax)
    readonly #redis = new RedisStore(false, false, store.client, `${redisKeyPrefix}rate:`)

    incr (...[callerId, callback, windowMs, max]: Parameters<FastifyRateLimitStore['incr']>): void {
      const count = () => new Promise<{ current: number, ttl: number } | undefined>((resolve, reject) => {
        this.#redis.incr(pseudonymize(callerId), (error, result) => error === null ? resolve(result) : reject(error), windowMs, max)
      })
      store.run(count).then(result => callback(null, result), () => this.#local.incr(callerId, callback, windowMs, max))
    }

    child (): this {
      return this
    }
  }
}
