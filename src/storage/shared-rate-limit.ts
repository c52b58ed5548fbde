/**
 * Stores the state of Procore's rate limits, which all replicas share. `procore/rate-limit/` decides what the state
 * means. A replica that holds permits in advance polls for recalls, so that it soon learns of a block.
 */
import { hash } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { limits } from '../config/limits.ts'
import { monotonicNowMs } from '../util/clock.ts'
import { redisKeyPrefix, type LeaseTiming, type RedisConnection } from './redis.ts'

/** The reply to an attempt to replace the state of a rate limit. */
export interface ReplaceReply {
  /** Whether the replica knew the stored state, which was then replaced. */
  isKnown: boolean
  /** Time by the clock of Redis. */
  nowMs: number
  /** The stored state if the replica did not know it; empty if there is none. */
  json: string
}

const replySchema = Type.Tuple([Type.Number(), Type.Number(), Type.String()])

/** The reply to TIME, in seconds and microseconds. */
const timeSchema = Type.Tuple([Type.String(), Type.String()])

/** Entries of the stream of recalls: each names a rate limit. */
const recallsSchema = Type.Array(Type.Tuple([
  Type.String(),
  Type.Array(Type.Tuple([Type.String(), Type.Array(Type.String())])),
]))

/** Without entries, the second reply is null. */
const pollSchema = Type.Tuple([timeSchema, Type.Union([recallsSchema, Type.Null()])])

/** Recalls that are this much older than needed are read, too, because the time of Redis is known roughly. */
const recallMarginMs = 2_000

const recallsKey = 'rate-limit-recalls'

/** A rate limit is identified by `rateLimitId`: the company, or one id for all companies. */
export class SharedRateLimiter {
  readonly #redis: RedisConnection
  readonly leaseTiming: LeaseTiming
  /** Returns an HMAC of a caller's id, for use in stored values. */
  readonly pseudonymize: (callerId: string) => string
  /** For each rate limit of which this replica holds permits: called when they are recalled. */
  readonly #holders = new Map<number, () => void>()
  #pollTimer: NodeJS.Timeout | undefined
  #isPolling = false
  /** All recalls before this time are known, by the clock of this process. */
  #polledAtMs = 0
  /** The latest entry of the stream that was read. Ids of entries begin with the time of Redis. */
  #latestRecallId = ''
  /** The time of Redis at the latest poll, relative to the clock of this process. */
  #clockOffsetMs = 0

  constructor (
    redis: RedisConnection,
    pseudonymize: (callerId: string) => string,
    leaseTiming: LeaseTiming = limits.redis
  ) {
    this.#redis = redis
    this.pseudonymize = pseudonymize
    this.leaseTiming = leaseTiming
  }

  /** Whether Redis is available. */
  get isUp (): boolean {
    return this.#redis.isUp
  }

  /** Adds a listener that is called whenever Redis can be used again. */
  onRecovered (listener: () => void): void {
    this.#redis.onRecovered(listener)
  }

  /**
   * Replaces the state if it is still the known one. Returns undefined while Redis is unavailable; the state may have
   * been replaced nevertheless.
   * @param json empty to read only
   * @param isRecall whether all replicas give back the permits that they hold in advance. Stored together with the
   *   state: a replica that reads the recall finds the state, and no failure leaves one without the other.
   */
  async replace (
    rateLimitId: number, knownJson: string, json: string, isRecall = false
  ): Promise<ReplaceReply | undefined> {
    const { rateLimit: { redisTtlMs }, leases: { recallsMax } } = limits
    const args = [hash('sha1', knownJson), json, redisTtlMs, isRecall ? rateLimitId : '', recallsMax]
    const reply = await this.#redis
      .script('replace-rate-limit', [`procore-rate-limit:${rateLimitId}`, recallsKey], args)
      .catch(() => undefined)
    if (!Value.Check(replySchema, reply)) return undefined
    const [known, nowMs, storedJson] = reply
    return { isKnown: known === 1, nowMs, json: storedJson }
  }

  /** Whether permits that are held in advance may be used: all recalls until a moment ago are known. */
  get isCurrent (): boolean {
    return this.#redis.isUp && monotonicNowMs() - this.#polledAtMs <= limits.leases.validMs
  }

  /**
   * Must be called before this replica leases permits in advance.
   * @param nowMs time by the clock of Redis
   * @param onRecall called when the permits must no longer be used
   */
  hold (rateLimitId: number, nowMs: number, onRecall: () => void): void {
    if (this.#holders.size === 0) {
      this.#polledAtMs = monotonicNowMs()
      this.#clockOffsetMs = nowMs - monotonicNowMs()
      this.#latestRecallId = String(nowMs - recallMarginMs)
      this.#pollTimer = setInterval(() => this.#poll(), limits.leases.pollMs).unref()
    }
    this.#holders.set(rateLimitId, onRecall)
  }

  /** Must be called when no permits are held in advance any more, with the arguments of `hold`. */
  drop (rateLimitId: number, onRecall: () => void): void {
    if (this.#holders.get(rateLimitId) === onRecall) this.#holders.delete(rateLimitId)
    if (this.#holders.size === 0) clearInterval(this.#pollTimer)
  }

  async #poll (): Promise<void> {
    if (this.#isPolling) return
    this.#isPolling = true
    const startedAtMs = monotonicNowMs()
    const { recallsMax } = limits.leases
    const reply: unknown = await this.#redis.run(client => Promise.all([
      client.time(),
      client.xread('COUNT', recallsMax, 'STREAMS', redisKeyPrefix + recallsKey, this.#latestRecallId),
    ])).catch(() => undefined)
    this.#isPolling = false
    if (!Value.Check(pollSchema, reply)) return
    const [[seconds, microseconds], recalls] = reply
    const [[, entries] = ['', []]] = recalls ?? []
    for (const [entryId, [, rateLimitId]] of entries) {
      this.#latestRecallId = entryId
      this.#holders.get(Number(rateLimitId))?.()
    }
    const wasClockSet = this.#followClock(Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000), startedAtMs)
    // If there are more, the next poll reads the rest.
    if (entries.length < recallsMax) this.#polledAtMs = startedAtMs
    // Redis may have removed older recalls, or other replicas may have counted leases as ended.
    if (entries.length === recallsMax || wasClockSet) for (const onRecall of this.#holders.values()) onRecall()
  }

  /** Returns whether the clock of Redis was set since the latest poll. Then recalls begin with other ids. */
  #followClock (nowMs: number, startedAtMs: number): boolean {
    const tookMs = monotonicNowMs() - startedAtMs
    const offsetMs = nowMs - monotonicNowMs()
    const wasSet = Math.abs(offsetMs - this.#clockOffsetMs) > tookMs + limits.leases.clockToleranceMs
    this.#clockOffsetMs = offsetMs
    if (wasSet) this.#latestRecallId = String(nowMs - recallMarginMs)
    return wasSet
  }
}
