/**
 * Counts the requests of callers in Redis, together with all replicas, and locally while Redis is down. A replica
 * leases requests in advance and counts them itself, so that few requests wait for Redis. It is imported only if
 * `REDIS_URL` is set.
 */
import type { FastifyRateLimitOptions, FastifyRateLimitStore } from '@fastify/rate-limit'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import type { RedisConnection } from '../storage/redis.ts'
import { monotonicNowMs } from '../util/clock.ts'

/** A custom store, as the option `store` of @fastify/rate-limit documents it. */
type RateLimitStoreClass = new (options: FastifyRateLimitOptions) => FastifyRateLimitStore

interface RateLimitCount {
  current: number
  /** Time until the window ends, in milliseconds. */
  ttl: number
}

/** Requests of the current window of a caller that this replica may count without Redis. */
interface Lease {
  /** The window in Redis. */
  window: number
  endsAtMs: number
  /** Requests in the window when Redis was asked. */
  count: number
  size: number
  used: number
}

const noLease: Lease = { window: 0, endsAtMs: 0, count: 0, size: 0, used: 0 }

/** What the script count-request returns. */
const replySchema = Type.Tuple([Type.Number(), Type.Number(), Type.Number(), Type.Number()])

/**
 * Creates the store class for @fastify/rate-limit.
 * @param pseudonymize hides the caller's subject or address in Redis
 */
export function createRateLimitStore (
  redis: Pick<RedisConnection, 'script'>,
  pseudonymize: (callerId: string) => string
): RateLimitStoreClass {
  return class implements FastifyRateLimitStore {
    readonly #callers = new LRUCache<string, SharedCounter>({ max: limits.callerRate.callersMax })
    readonly #local = new LocalCounter()

    incr (...[callerId, callback, windowMs, max]: Parameters<FastifyRateLimitStore['incr']>): void {
      const counter = this.#callers.get(callerId) ?? this.#addCaller(callerId)
      const leased = counter.countLeased()
      if (leased !== undefined) return callback(null, leased)
      counter.count(windowMs, max)
        .catch(() => this.#local.increment(callerId, windowMs))
        .then(count => callback(null, count), callback)
    }

    /** All routes share the counters. */
    child (): this {
      return this
    }

    #addCaller (callerId: string): SharedCounter {
      const counter = new SharedCounter(redis, `caller-rate:${pseudonymize(callerId)}`)
      this.#callers.set(callerId, counter)
      return counter
    }
  }
}

/**
 * Counts the requests of one caller. Leases of all replicas together are at most `limits.leases.share` of the rate, so
 * a caller exceeds its rate by at most that share. At the end of the rate there are none: Redis counts each request.
 */
class SharedCounter {
  readonly #redis: Pick<RedisConnection, 'script'>
  readonly #redisKey: string
  #lease = noLease
  /** Requests that the next call counts together. */
  #waiting: Array<PromiseWithResolvers<RateLimitCount>> = []
  #isAsking = false

  constructor (redis: Pick<RedisConnection, 'script'>, redisKey: string) {
    this.#redis = redis
    this.#redisKey = redisKey
  }

  /** Counts a request if the lease has room. */
  countLeased (): RateLimitCount | undefined {
    const lease = this.#lease
    const ttl = lease.endsAtMs - monotonicNowMs()
    if (lease.used >= lease.size || ttl <= 0) return undefined
    lease.used++
    return { current: lease.count + lease.used, ttl }
  }

  /** Counts a request in Redis. Requests that arrive during a call are counted by the next one. */
  count (windowMs: number, max: number): Promise<RateLimitCount> {
    const request = Promise.withResolvers<RateLimitCount>()
    this.#waiting.push(request)
    if (!this.#isAsking) this.#askForWaiting(windowMs, max)
    return request.promise
  }

  async #askForWaiting (windowMs: number, max: number): Promise<void> {
    this.#isAsking = true
    while (this.#waiting.length > 0) {
      const requests = this.#waiting
      this.#waiting = []
      try {
        const lease = await this.#ask(requests.length, windowMs, max)
        const ttl = Math.max(0, lease.endsAtMs - monotonicNowMs())
        let current = lease.count - requests.length
        for (const { resolve } of requests) resolve({ current: ++current, ttl })
        this.#lease = lease
      } catch (error) {
        for (const { reject } of requests) reject(error)
      }
    }
    this.#isAsking = false
  }

  /** Counts requests, and exchanges the lease for another one. */
  async #ask (requestCount: number, windowMs: number, max: number): Promise<Lease> {
    const { window, size, used } = this.#lease
    this.#lease = noLease
    const leasedMax = Math.min(Math.floor(max * limits.leases.share), limits.leases.permitsMax)
    const leasedUntil = Math.floor(max * (1 - limits.leases.exactShare))
    const startedAtMs = monotonicNowMs()
    const args = [windowMs, requestCount, window, size, used, leasedMax, leasedUntil]
    const reply = await this.#redis.script('count-request', [this.#redisKey], args)
    if (!Value.Check(replySchema, reply)) throw new TypeError('The script count-request did not return four numbers.')
    const [count, ttlMs, newWindow, newSize] = reply
    return { window: newWindow, endsAtMs: startedAtMs + ttlMs, count, size: newSize, used: 0 }
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
