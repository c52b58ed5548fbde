/** Limits the requests of each caller. All replicas count together in Redis; while Redis is down, each counts alone. */
import rateLimit, { type FastifyRateLimitOptions, type FastifyRateLimitStore } from '@fastify/rate-limit'
import LocalStore from '@fastify/rate-limit/store/LocalStore.js'
import RedisStore from '@fastify/rate-limit/store/RedisStore.js'
import { limits } from '../config/limits.ts'
import { redisKeyPrefix, type RedisConnection } from '../storage/redis.ts'
import type { FastifyInstance } from 'fastify'
import { Problem } from '../server/problem.ts'

type RateLimitStoreClass = new (options: FastifyRateLimitOptions) => FastifyRateLimitStore

interface RateLimitCount {
  current: number
  ttl: number
}

/**
 * Creates the store class for @fastify/rate-limit.
 * @param pseudonymize hides the caller's subject or address in Redis
 */
function createRateLimitStore (
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

/** Dependencies for counting in Redis. */
export interface SharedRateLimit {
  redis: RedisConnection
  pseudonymize (callerId: string): string
}

export async function registerRateLimit (
  scope: FastifyInstance,
  ratePerMinute: number,
  sharedRateLimit: SharedRateLimit | undefined
): Promise<void> {
  await scope.register(rateLimit, {
    global: false,
    max: ratePerMinute,
    timeWindow: 60_000,
    cache: limits.callerRate.callersMax,
    ...(sharedRateLimit !== undefined && {
      store: createRateLimitStore(sharedRateLimit.redis, sharedRateLimit.pseudonymize),
    }),
    enableDraftSpec: true,
    keyGenerator: ({ callerId }) => callerId ?? '',
    errorResponseBuilder: () => new Problem('too_many_requests', 'This caller sends too many requests.'),
  })
  scope.addHook('onRequest', scope.rateLimit())
}
