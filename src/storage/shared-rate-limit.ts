/**
 * Stores the state of Procore's rate limits, and the permits that all replicas have in flight. `procore/rate-limit/`
 * decides what the state means. A permit has a lease, because its replica may die.
 */
import { limits } from '../config/limits.ts'
import { redisKeyPrefix, type RedisConnection } from './redis.ts'

/** What Redis knows about a rate limit. */
export interface SharedView {
  /** The state, as it was stored; empty if there is none. */
  json: string
  /** Time by the clock of Redis. */
  nowMs: number
  /** Permits of all replicas. */
  inFlight: number
  /** Permits whose lease has expired. */
  lost: number
}

/** A rate limit is identified by `rateLimitId`: the company, or one id for all companies. */
export class SharedRateLimiter {
  readonly #redis: RedisConnection
  readonly #leaseMs: number
  /** Returns an HMAC of a caller's id, for use in stored values. */
  readonly pseudonymize: (callerId: string) => string

  constructor (
    redis: RedisConnection,
    pseudonymize: (callerId: string) => string,
    leaseMs: number = limits.rateLimit.leaseMs
  ) {
    this.#redis = redis
    this.pseudonymize = pseudonymize
    this.#leaseMs = leaseMs
  }

  /** Adds a listener that is called whenever Redis can be used again. */
  onRecovered (listener: () => void): void {
    this.#redis.onRecovered(listener)
  }

  /**
   * Reads a rate limit, and then adds a permit. Returns undefined while Redis is unavailable; it may have added the
   * permit nevertheless.
   */
  async read (rateLimitId: number, permitId = ''): Promise<SharedView | undefined> {
    const args = [this.#leaseMs, limits.rateLimit.redisTtlMs, permitId]
    const reply = await this.#redis.script('read-rate-limit', redisKeys(rateLimitId), args).catch(() => undefined)
    if (!Array.isArray(reply)) return undefined
    const values: readonly unknown[] = reply
    const [json, nowMs, inFlight, lost] = values
    return { json: String(json), nowMs: Number(nowMs), inFlight: Number(inFlight), lost: Number(lost) }
  }

  /**
   * Replaces the state, and removes permits and the lost ones that the view counts. Returns false if the state has
   * changed since it was read, and undefined while Redis is unavailable.
   */
  async replace (
    rateLimitId: number, view: SharedView, json: string, permitIds: readonly string[]
  ): Promise<boolean | undefined> {
    const args = [view.json, json, view.nowMs, limits.rateLimit.redisTtlMs, ...permitIds]
    const reply = await this.#redis.script('replace-rate-limit', redisKeys(rateLimitId), args).catch(() => undefined)
    return reply === undefined ? undefined : reply === 1
  }

  /** Removes a permit whose request was not sent. */
  removePermit (rateLimitId: number, permitId: string): void {
    const [, permitsRedisKey] = redisKeys(rateLimitId)
    this.#redis.run(client => client.zrem(redisKeyPrefix + permitsRedisKey, permitId)).catch(() => {})
  }
}

/** The hash tag in braces puts both keys into one slot of a Redis Cluster. */
function redisKeys (rateLimitId: number): [state: string, permits: string] {
  return [`rate-limit:{${rateLimitId}}`, `rate-limit-permits:{${rateLimitId}}`]
}
