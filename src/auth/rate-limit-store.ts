/**
 * Counts the requests of callers in Redis, together with all replicas, and locally while Redis is down. It is imported
 * only if `REDIS_URL` is set.
 */
import type { FastifyRateLimitOptions, FastifyRateLimitStore } from '@fastify/rate-limit'
import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import type { RedisConnection } from '../storage/redis.ts'

/** A custom store, as the option `store` of @fastify/rate-limit documents it. */
type RateLimitStoreClass = new (options: FastifyRateLimitOptions) => FastifyRateLimitStore

interface RateLimitCount {
  current: number
  /** Time until the window ends, in milliseconds. */
  ttl: number
}

/**
 * Creates the store class for @fastify/rate-limit.
 * @param pseudonymize hides the caller's subject or address in Redis
 */
export function createRateLimitStore (
  redis: Pick<RedisConnection, 'script'>,
  pseudonymize: (callerId: string) => string
): RateLimitStoreClass {
  return class implements FastifyRateLimitStore {
    readonly #local = new LocalCounter()

    incr (...[callerId, callback, windowMs]: Parameters<FastifyRateLimitStore['incr']>): void {
      redis.script('count-request', [`rate:${pseudonymize(callerId)}`], [windowMs])
        .then(parseReply)
        .catch(() => this.#local.increment(callerId, windowMs))
        .then(count => callback(null, count), callback)
    }

    /** All routes share the counters. */
    child (): this {
      return this
    }
  }
}

/**
 * Counts `limits.callerRate.callersMax` callers in the memory of this process, each until its window ends. The caller
 * that called longest ago is evicted first.
 */
class LocalCounter {
  readonly #windows = new LRUCache<string, { requestCount: number }>({
    max: limits.callerRate.callersMax,
    ttlResolution: 0,
  })

  increment (callerId: string, windowMs: number): RateLimitCount {
    const current = this.#windows.get(callerId)
    if (current === undefined) {
      this.#windows.set(callerId, { requestCount: 1 }, { ttl: windowMs })
      return { current: 1, ttl: windowMs }
    }
    current.requestCount++
    return { current: current.requestCount, ttl: this.#windows.getRemainingTTL(callerId) }
  }
}

function parseReply (reply: unknown): RateLimitCount {
  const values: unknown[] = Array.isArray(reply) ? reply : []
  const [current, ttl] = values
  if (typeof current !== 'number' || typeof ttl !== 'number') {
    throw new TypeError('The script count-request did not return two numbers.')
  }
  return { current, ttl }
}
