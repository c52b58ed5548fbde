/**
 * Client-side rate limiter: keeps requests within Procore's rate limit (Procore: Rate Limiting), with one limit for
 * each company or one for all, and together with the other replicas if they share state. Selects the limit that applies
 * to a request; state.ts has the rules, and queue.ts the waiting requests.
 */
import { LRUCache } from 'lru-cache'
import type { Config } from '../../config/index.ts'
import { limits } from '../../config/limits.ts'
import type { SharedRateLimiter } from '../../storage/shared-rate-limit.ts'
import { RateLimitQueue, type PermitRequest, type QueueCounts } from './queue.ts'
import { RateLimit, type Permit } from './rate-limit.ts'
import type { HourUsage } from './usage.ts'

export type { Permit } from './rate-limit.ts'

/** Id of the limit of requests about no company. No company of Procore's has it. */
const noCompany = 0

/** Id of the limit that all companies share. */
const allCompanies = 0

/** A request that needs a permit. */
export interface CallerRequest extends Omit<PermitRequest, 'callerId'> {
  /** Undefined if callers cannot be distinguished: they count as one. */
  callerId?: string | undefined
}

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

/** Requests of the current hour that count for one rate limit. */
export interface CompanyHourUsage extends HourUsage {
  /** Undefined if all companies share one limit. */
  companyId: number | undefined
}

/**
 * The rate limits of all companies. `limits.rateLimit.queueMax` requests may wait in total. Beyond
 * `limits.rateLimit.companiesMax` companies, the least recently used one without requests is evicted: Procore's next
 * response reports its state again.
 */
export class RateLimiter {
  readonly #isPerCompany: boolean
  readonly #shared: SharedRateLimiter | undefined
  readonly #queues = new LRUCache<number, RateLimitQueue>({
    max: limits.rateLimit.companiesMax,
    // A company with requests stays. There are fewer requests than companies, so another one can be evicted.
    disposeAfter: (queue, id, reason) => {
      if (reason === 'evict' && queue.isBusy) this.#queues.set(id, queue)
      else if (reason === 'evict') queue.stop()
    },
  })

  /** Totals of all companies. */
  readonly #counts: QueueCounts = { waiting: 0, rejected: 0 }

  readonly #onHourMostlyUsed: (usage: CompanyHourUsage) => void

  /**
   * @param shared the state as all replicas see it
   * @param onHourMostlyUsed called once an hour for each limit, when most of the hour is used
   */
  constructor (
    { rateLimitScope }: Pick<Config['procore'], 'rateLimitScope'>,
    shared?: SharedRateLimiter,
    onHourMostlyUsed: (usage: CompanyHourUsage) => void = () => {}
  ) {
    this.#onHourMostlyUsed = onHourMostlyUsed
    this.#isPerCompany = rateLimitScope === 'company'
    this.#shared = shared
    shared?.onRecovered(() => { for (const { limit } of this.#queues.values()) limit.save() })
  }

  /** Number of waiting requests of all companies. */
  get waitingCount (): number {
    return this.#counts.waiting
  }

  /**
   * Number of requests that were rejected here since the start because the rate limit was exhausted. Requests rejected
   * because Procore is not available are not counted.
   */
  get rejectedCount (): number {
    return this.#counts.rejected
  }

  /** Number of companies in memory. */
  get companyCount (): number {
    return this.#queues.size
  }

  /**
   * Returns the limits of which Procore has reported anything, those with the fewest remaining requests first.
   * @param max longest list returned
   */
  snapshots (max: number): RateLimitSnapshot[] {
    const snapshots: RateLimitSnapshot[] = []
    for (const [id, { limit: { state, nowMs } }] of this.#queues) {
      const { throttledUntilMs, throttleReason } = state
      const isThrottled = throttledUntilMs > nowMs
      const live = state.windows.filter(({ resetAtMs }) => resetAtMs > nowMs)
      const [scarcest] = live.sort((a, b) => a.remaining - b.remaining)
      const remaining = isThrottled && throttleReason === 'rate' ? 0 : scarcest?.remaining
      if (remaining === undefined) continue
      const resetMs = (isThrottled ? throttledUntilMs : scarcest?.resetAtMs ?? nowMs) - nowMs
      snapshots.push({ companyId: this.#toCompanyId(id), remaining, limit: scarcest?.limit ?? undefined, resetMs })
    }
    return snapshots.sort((a, b) => a.remaining - b.remaining).slice(0, max)
  }

  /**
   * Returns how much of the current hour is used, those with the largest share first.
   * @param max longest list returned
   */
  hourUsages (max: number): CompanyHourUsage[] {
    const usages: CompanyHourUsage[] = []
    for (const [id, { limit: { hourUsage } }] of this.#queues) {
      if (hourUsage !== undefined) usages.push({ ...hourUsage, companyId: this.#toCompanyId(id) })
    }
    return usages.sort((a, b) => b.used / b.limit - a.used / a.limit).slice(0, max)
  }

  /**
   * Returns a permit to send one request, at once or when the rate limit allows it.
   * @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, with the outcome `not_sent`
   * @throws the reason of the signal if it aborts while the request waits
   */
  acquire ({ callerId = '', ...request }: CallerRequest): Promise<Permit> {
    const storedId = this.#shared?.pseudonymize(callerId) ?? callerId
    return this.#getQueue(request.companyId).acquire({ ...request, callerId: storedId })
  }

  /** Returns how long Procore asked to send no requests of the company, in milliseconds. */
  throttledMs (companyId: number | undefined): number {
    const { state, nowMs } = this.#getQueue(companyId).limit
    return Math.max(0, state.throttledUntilMs - nowMs)
  }

  /** Stops all timers, and gives back the permits that are held in advance. */
  stop (): void {
    for (const queue of this.#queues.values()) queue.stop()
  }

  #getQueue (companyId: number | undefined): RateLimitQueue {
    const id = this.#isPerCompany ? companyId ?? noCompany : allCompanies
    const existing = this.#queues.get(id)
    if (existing !== undefined) return existing
    const limit = new RateLimit(id, this.#shared, usage => {
      this.#onHourMostlyUsed({ ...usage, companyId: this.#toCompanyId(id) })
    })
    const queue = new RateLimitQueue(limit, this.#counts)
    this.#queues.set(id, queue)
    return queue
  }

  #toCompanyId (id: number): number | undefined {
    return this.#isPerCompany ? id : undefined
  }
}
