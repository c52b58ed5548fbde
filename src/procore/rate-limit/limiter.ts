/**
 * Paces requests by what Procore allows (Procore: Rate Limiting), each company by its own allowance or all by one, and together with the
 * other replicas where they share. Whether one request goes now is decided in bucket.ts; here it is whose allowance it takes.
 */
import type { Config } from '../../config/index.ts'
import { limits } from '../../config/limits.ts'
import { evictOldest } from '../../util/evict-oldest.ts'
import { ClientDisconnectedError } from '../../server/errors.ts'
import type { SharedRateLimiter } from '../../storage/shared-rate-limit.ts'
import { parseRateLimitUpdate, type RateLimitUpdate, type Throttle } from './headers.ts'
import { RateLimitQueue, type PermitRequest, type QueueCounts, type Permit } from './queue.ts'

/** What is known of one allowance, to be looked at. */
export interface RateLimitSnapshot {
  /** Nothing where all companies share one. */
  companyId: number | undefined
  /** Requests. */
  remaining: number
  /** Of how many, where Procore says so. */
  limit: number | undefined
  /** Until it is whole again, or until Procore said to come back. */
  resetMs: number
}

/** The allowances of all companies: `limits.rateLimit.queueMax` requests may wait in all, and beyond `limits.rateLimit.companiesMax` one that has nothing under way is forgotten. */
export class RateLimiter {
  readonly #isPerCompany: boolean
  readonly #shared: SharedRateLimiter | undefined
  readonly #queues = new Map<number, RateLimitQueue>()
  /** Of all companies together. */
  readonly #counts: QueueCounts = { waiting: 0, rejected: 0 }

  /** @param shared what other replicas know of it */
  constructor ({ rateLimitScope }: Pick<Config['procore'], 'rateLimitScope'>, shared?: SharedRateLimiter) {
    this.#isPerCompany = rateLimitScope === 'company'
    this.#shared = shared
  }

  /** How many wait, of all companies. */
  get waitingCount (): number {
    return this.#counts.waiting
  }

  /** How many were refused here since the start for want of allowance; what Procore asked for while it was not available is not that. */
  get rejectedCount (): number {
    return this.#counts.rejected
  }

  /** What is known of those of whom something is known, the scarcest first. @param max how many at most */
  snapshots (max: number): RateLimitSnapshot[] {
    const snapshots: RateLimitSnapshot[] = []
    for (const [companyId, queue] of this.#queues) {
      const { limit, resetMs, throttledMs, throttleReason, ...rest } = queue.snapshot
      const remaining = throttleReason === 'rate' ? 0 : rest.remaining
      if (remaining !== undefined) snapshots.push({ companyId: this.#isPerCompany ? companyId : undefined, remaining, limit, resetMs: throttledMs > 0 ? throttledMs : resetMs })
    }
    return snapshots.sort((a, b) => a.remaining - b.remaining).slice(0, max)
  }

  /** How many companies are remembered. */
  get companyCount (): number {
    return this.#queues.size
  }

  /** @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, `not_sent`; CallerGone */
  acquire (request: PermitRequest): Promise<Permit> | Permit {
    const queue = this.#getQueue(request.companyId)
    return this.#shared === undefined ? queue.acquire(request) : this.#acquireShared(request, queue, this.#shared)
  }

  /** First as far as this replica knows, then as far as all know; what the others know is learnt, and waited for here. */
  async #acquireShared (request: PermitRequest, queue: RateLimitQueue, shared: SharedRateLimiter): Promise<Permit> {
    const startedAtMs = Date.now()
    // What others find out is found out within its own time, however short a wait is worth it.
    const deadlineMs = startedAtMs + Math.max(request.maxWaitMs, limits.rateLimit.probeMs)
    const sequence = queue.nextSequence()
    for (let isFirst = true; ; isFirst = false) {
      if (request.signal.aborted) throw new ClientDisconnectedError()
      if (!isFirst && Date.now() >= deadlineMs) throw queue.timeoutProblem()
      const permit = await queue.acquire({ ...request, maxWaitMs: Math.max(0, startedAtMs + request.maxWaitMs - Date.now()) }, sequence)
      const acquisition = await shared.acquire(this.#rateLimitId(request.companyId), request.isBuffered)
      if (acquisition.granted) {
        queue.resume()
        return combinePermits(permit, acquisition.release)
      }
      queue.applyRemote(acquisition)
      permit.release()
    }
  }

  /** Notes that Procore said to come back later. */
  throttle (companyId: number, throttle: Throttle): void {
    this.#getQueue(companyId).throttle(throttle)
  }

  /** How long Procore said to leave the company alone, in milliseconds. */
  throttledMs (companyId: number): number {
    return this.#getQueue(companyId).throttledMs
  }

  /** Nobody is called by a timer any more. */
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
    evictOldest(this.#queues, () => this.#queues.size / limits.rateLimit.companiesMax, (oldest, idle) => { if (idle !== queue) this.#evict(oldest, idle) })
    return queue
  }

  /** What it knew will be told again by Procore's next answer. */
  #evict (rateLimitId: number, queue: RateLimitQueue): void {
    if (queue.isBusy) return
    queue.stop()
    this.#queues.delete(rateLimitId)
  }
}

/** Of this replica and of all. */
function combinePermits (localPermit: Permit, releaseShared: (update: RateLimitUpdate) => void): Permit {
  return {
    release: result => {
      localPermit.release(result)
      releaseShared(parseRateLimitUpdate(result, Date.now()))
    },
  }
}
