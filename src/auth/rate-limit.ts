/**
 * Where the requests of callers are counted: by all replicas together while the shared store is there, by this one alone while it is away.
 * It knows a caller by its name only.
 */
import rateLimit, { type FastifyRateLimitOptions, type FastifyRateLimitStore } from '@fastify/rate-limit'
import LocalStore from '@fastify/rate-limit/store/LocalStore.js'
import RedisStore from '@fastify/rate-limit/store/RedisStore.js'
import { limits } from '../config/limits.ts'
import { redisKeyPrefix, type RedisConnection } from '../storage/redis.ts'
import type { FastifyInstance } from 'fastify'
import { Problem } from '../server/problem.ts'

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

/** How replicas count together. */
export interface SharedRateLimit {
  redis: RedisConnection
  pseudonymize (callerId: string): string
}

export async function registerRateLimit (scope: FastifyInstance, ratePerMinute: number, sharedRateLimit: SharedRateLimit | undefined): Promise<void> {
  await scope.register(rateLimit, {
    global: false,
    max: ratePerMinute,
    timeWindow: 60_000,
    cache: limits.callerRate.callersMax,
    ...(sharedRateLimit !== undefined && { store: createRateLimitStore(sharedRateLimit.redis, sharedRateLimit.pseudonymize) }),
    enableDraftSpec: true,
    keyGenerator: ({ callerId }) => callerId ?? '',
    errorResponseBuilder: () => new Problem('too_many_requests', 'This caller sends too many requests.'),
  })
  scope.addHook('onRequest', scope.rateLimit())
}
