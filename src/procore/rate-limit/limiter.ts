/**
 * Client-side rate limiter: keeps requests within Procore's rate limit (Procore: Rate Limiting), with one limit for
 * each company or one for all, and together with the other replicas if they share state. Selects the limit that applies
 * to a request; queue.ts decides whether the request may be sent now.
 */
import type { Config } from '../../config/index.ts'
import { limits } from '../../config/limits.ts'
import { evictOldest } from '../../util/evict-oldest.ts'
import type { SharedRateLimiter } from '../../storage/shared-rate-limit.ts'
import { parseRateLimitUpdate, type RateLimitUpdate } from './headers.ts'
import { RateLimitQueue, type PermitRequest, type QueueCounts, type Permit } from './queue.ts'

/** State of one rate limit, for metrics and the status page. */
export interface RateLimitSnapshot {
  /** Undefined if all companies share one limit. */
  companyId: number | undefined
  /** Requests that remain. */
  remaining: number
  /** Undefined if Procore does not report it. */
  limit: number | undefined
  /** Until the reset, or until the time at which Procore asked to retry. */
  resetMs: number
}

/**
 * The rate limits of all companies. `limits.rateLimit.queueMax` requests may wait in total. Beyond
 * `limits.rateLimit.companiesMax` companies, the oldest one without requests in flight is evicted.
 */
export class RateLimiter {
  readonly #isPerCompany: boolean
  readonly #shared: SharedRateLimiter | undefined
  readonly #queues = new Map<number, RateLimitQueue>()
  /** Totals of all companies. */
  readonly #counts: QueueCounts = { waiting: 0, rejected: 0 }

  /** @param shared the rate limit as all replicas see it */
  constructor ({ rateLimitScope }: Pick<Config['procore'], 'rateLimitScope'>, shared?: SharedRateLimiter) {
    this.#isPerCompany = rateLimitScope === 'company'
    this.#shared = shared
  }

  /** Number of waiting requests of all companies. */
  get waitingCount (): number {
    return this.#counts.waiting
  }

  /**
   * Number of requests that were refused here since the start because the rate limit was exhausted. Requests refused
   * because Procore is not available are not counted.
   */
  get rejectedCount (): number {
    return this.#counts.rejected
  }

  /**
   * Returns the limits of which Procore has reported anything, those with the fewest remaining requests first.
   * @param max longest list returned
   */
  snapshots (max: number): RateLimitSnapshot[] {
    const snapshots: RateLimitSnapshot[] = []
    for (const [companyId, queue] of this.#queues) {
      const { limit, resetMs, throttledMs, throttleReason, ...rest } = queue.snapshot
      const remaining = throttleReason === 'rate' ? 0 : rest.remaining
      if (remaining === undefined) continue
      snapshots.push({
        companyId: this.#isPerCompany ? companyId : undefined,
        remaining,
        limit,
        resetMs: throttledMs > 0 ? throttledMs : resetMs,
      })
    }
    return snapshots.sort((a, b) => a.remaining - b.remaining).slice(0, max)
  }

  /** Number of companies in memory. */
  get companyCount (): number {
    return this.#queues.size
  }

  /**
   * Returns a permit to send one request, at once or when the rate limit allows it.
   * @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, with the outcome `not_sent`
   * @throws {ClientDisconnectedError} if the caller disconnects while it waits
   */
  async acquire (request: PermitRequest): Promise<Permit> {
    const queue = this.#getQueue(request.companyId)
    return this.#shared === undefined ? queue.acquire(request) : this.#acquireShared(request, queue, this.#shared)
  }

  /**
   * Acquires a permit of this replica, then one of all replicas. If the shared limiter denies it, the local queue
   * learns why, and the request waits there.
   */
  async #acquireShared (request: PermitRequest, queue: RateLimitQueue, shared: SharedRateLimiter): Promise<Permit> {
    const startedAtMs = Date.now()
    // A probe of another replica ends within `probeMs`, so a request waits for it even if its own limit is shorter.
    const deadlineMs = startedAtMs + Math.max(request.maxWaitMs, limits.rateLimit.probeMs)
    const sequence = queue.nextSequence()
    for (let isFirst = true; ; isFirst = false) {
      request.signal.throwIfAborted()
      if (!isFirst && Date.now() >= deadlineMs) throw queue.timeoutProblem()
      const leftMs = Math.max(0, startedAtMs + request.maxWaitMs - Date.now())
      const permit = await queue.acquire({ ...request, maxWaitMs: leftMs }, sequence)
      const acquisition = await shared.acquire(this.#rateLimitId(request.companyId), request.isBuffered)
      if (acquisition.granted) {
        queue.resume()
        return combinePermits(permit, acquisition.release)
      }
      queue.applyRemote(acquisition)
      permit.release()
    }
  }

  /** Returns how long requests of the company are stopped, in milliseconds. */
  throttledMs (companyId: number): number {
    return this.#getQueue(companyId).throttledMs
  }

  /** Stops all timers. */
  stop (): void {
    for (const queue of this.#queues.values()) queue.stop()
  }

  #rateLimitId (companyId: number): number {
    return this.#isPerCompany ? companyId : 0
  }

  #getQueue (companyId: number): RateLimitQueue {
    const rateLimitId = this.#rateLimitId(companyId)
    const existing = this.#queues.get(rateLimitId)
    if (existing !== undefined) return existing
    const queue = new RateLimitQueue(this.#counts)
    this.#queues.set(rateLimitId, queue)
    const getLoad = () => this.#queues.size / limits.rateLimit.companiesMax
    evictOldest(this.#queues, getLoad, (oldestId, oldest) => { if (oldest !== queue) this.#evict(oldestId, oldest) })
    return queue
  }

  /** Drops the queue unless it is in use. Procore's next response reports its state again. */
  #evict (rateLimitId: number, queue: RateLimitQueue): void {
    if (queue.isBusy) return
    queue.stop()
    this.#queues.delete(rateLimitId)
  }
}

/** Combines the permit of this replica with that of all replicas. */
function combinePermits (localPermit: Permit, releaseShared: (update: RateLimitUpdate) => void): Permit {
  return {
    release: update => {
      localPermit.release(update)
      releaseShared(update ?? parseRateLimitUpdate(undefined, Date.now()))
    },
  }
}
