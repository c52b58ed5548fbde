/**
 * Where the requests of callers are counted: by all replicas together while the shared store is there, by this one alone while it is away.
 * It knows a caller by its name only.
 */
import type { FastifyRateLimitOptions, FastifyRateLimitStore } from '@fastify/rate-limit'
import LocalStore from '@fastify/rate-limit/store/LocalStore.js'
import RedisStore from '@fastify/rate-limit/store/RedisStore.js'
import { limits } from '../config/limits.ts'
import { keyPrefix, type SharedStore } from '../storage/redis.ts'

/** The class that the plugin makes its store of. @param nameOf says nothing of a caller's subject or address */
export function rateStore (store: SharedStore, nameOf: (callerId: string) => string): new (options: FastifyRateLimitOptions) => FastifyRateLimitStore {
  return class implements FastifyRateLimitStore {
    readonly #own = new LocalStore(false, false, limits.callerRate.callersMax)
    readonly #shared = new RedisStore(false, false, store.client, `${keyPrefix}rate:`)

    incr (...[key, callback, windowMs, max]: Parameters<FastifyRateLimitStore['incr']>): void {
      const count = () => new Promise<{ current: number, ttl: number } | undefined>((resolve, reject) => {
        this.#shared.incr(nameOf(key), (error, result) => error === null ? resolve(result) : reject(error), windowMs, max)
      })
      store.run(count).then(result => callback(null, result), () => this.#own.incr(key, callback, windowMs, max))
    }

    child (): this {
      return this
    }
  }
}
