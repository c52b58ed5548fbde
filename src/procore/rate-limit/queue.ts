/**
 * The line of one allowance: while something remains a request goes at once; while nothing does it waits in order as long as the wait is
 * worth it, and is told exactly when to come again otherwise. It knows neither whose allowance it is nor what other replicas know.
 */
import { limits } from '../../config/limits.ts'
import { Problem, overloadedProblem } from '../../server/problem.ts'
import { ClientDisconnectedError } from '../../server/errors.ts'
import { parseRateLimitUpdate, type Throttle, type ThrottleReason } from './headers.ts'
import { RateLimitWindows, type WindowSnapshot } from './window.ts'
import type { ExchangeResult } from '../exchange.ts'
import type { DisconnectSignal } from '../../server/disconnect-signal.ts'
import { FairQueue } from './fair-queue.ts'

/** What has to be known of a request to let it go or wait. */
export interface PermitRequest {
  /** Within one allowance companies take turns. */
  companyId: number
  /** A stream can't be repeated and its end is not known, so it does not go ahead to learn the count. */
  isBuffered: boolean
  /** Longest wait, in milliseconds. */
  maxWaitMs: number
  signal: DisconnectSignal
}

/** Leave to send one request, to be handed back once. */
export interface Permit {
  /** @param result nothing when the request did not leave */
  release: (result?: ExchangeResult) => void
}

interface Waiter {
  companyId: number
  sequence: number
  isBuffered: boolean
  deadlineMs: number
  resolve: (ticket: Permit) => void
  reject: (error: Error) => void
}

/** How many wait, and were refused, of all buckets together. */
export interface QueueCounts { waiting: number, rejected: number }

/** One allowance: a company's, or that of all. Of one company `limits.rateLimit.queuePerCompanyMax` requests may wait. */
export class RateLimitQueue {
  readonly #windows = new RateLimitWindows()
  readonly #waiters = new FairQueue<Waiter>()
  readonly #counts: QueueCounts
  #timer: NodeJS.Timeout | undefined
  #nextSequence = 0

  constructor (counts: QueueCounts) {
    this.#counts = counts
  }

  /** What Procore told of it, and for how long it said to come back later, in milliseconds. */
  get snapshot (): WindowSnapshot & { throttledMs: number, throttleReason: ThrottleReason | undefined } {
    const nowMs = Date.now()
    return { ...this.#windows.snapshot(nowMs), throttledMs: this.#windows.throttledMs(nowMs), throttleReason: this.#windows.throttleReason(nowMs) }
  }

  /** Whether a request of it waits or is under way. */
  get isBusy (): boolean {
    return this.#waiters.size > 0 || this.#windows.isBusy
  }

  /** Of a request that may come more than once, and keeps its place. */
  nextSequence (): number {
    return this.#nextSequence++
  }

  /** @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, `not_sent`; CallerGone */
  acquire (request: PermitRequest, sequence = this.nextSequence()): Promise<Permit> | Permit {
    const nowMs = Date.now()
    const ready = this.#windows.readyAt(nowMs, request.isBuffered)
    if (this.#waiters.size === 0 && ready.atMs <= nowMs) return this.#grant(request.isBuffered, nowMs)
    if (ready.isFirm && ready.atMs - nowMs > request.maxWaitMs) throw this.#rateLimitProblem(nowMs, ready.atMs)
    // A probe is over within its own time, however short a wait is worth it.
    return this.#enqueue(request, sequence, nowMs + Math.max(request.maxWaitMs, ready.isProbing === true ? limits.rateLimit.probeMs : 0))
  }

  /** How long Procore said to come back later; 0 when it did not. */
  get throttledMs (): number {
    return this.#windows.throttledMs(Date.now())
  }

  /** Procore said to come back later. */
  throttle (throttle: Throttle): void {
    this.#windows.throttle(throttle, Date.now())
    this.#grantReady()
  }

  /** For whoever waited in vain. */
  timeoutProblem (): Problem {
    const nowMs = Date.now()
    return this.#rateLimitProblem(nowMs, Math.max(nowMs, this.#windows.readyAt(nowMs, true).atMs))
  }

  /** What other replicas know. */
  applyRemote ({ retryAfterMs, reason }: { retryAfterMs: number, reason: ThrottleReason | 'probe' }): void {
    if (reason === 'probe') this.#windows.pauseFor(retryAfterMs, Date.now())
    else this.#windows.throttle({ reason, durationMs: retryAfterMs }, Date.now())
  }

  /** Other replicas make nobody wait any more: whoever waited for them may go and ask. */
  resume (): void {
    if (this.#windows.resume()) this.#grantReady()
  }

  /** Nobody is called by a timer any more. */
  stop (): void {
    clearTimeout(this.#timer)
  }

  async #enqueue ({ companyId, isBuffered, signal }: PermitRequest, sequence: number, deadlineMs: number): Promise<Permit> {
    if (this.#counts.waiting >= limits.rateLimit.queueMax || this.#waiters.sizeFor(companyId) >= limits.rateLimit.queuePerCompanyMax) {
      throw overloadedProblem('Too many requests wait for Procore\'s allowance.', { outcome: 'not_sent' })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Permit>()
    const waiter: Waiter = { companyId, sequence, isBuffered, deadlineMs, resolve, reject }
    this.#waiters.add(companyId, waiter)
    this.#counts.waiting++
    const unsubscribe = signal.onAbort(() => {
      if (!this.#waiters.remove(companyId, waiter)) return
      this.#counts.waiting--
      reject(new ClientDisconnectedError())
    })
    this.#grantReady()
    try {
      return await promise
    } finally {
      unsubscribe()
    }
  }

  #grant (isBuffered: boolean, nowMs: number): Permit {
    const entry = this.#windows.acquire(nowMs, isBuffered)
    return {
      release: result => {
        const nowMs = Date.now()
        this.#windows.release(parseRateLimitUpdate(result, nowMs), entry, nowMs)
        this.#grantReady()
      },
    }
  }

  /** Lets go whoever may go, refuses whoever waits in vain, and comes back when that may change. */
  #grantReady (): void {
    clearTimeout(this.#timer)
    for (;;) {
      const nowMs = Date.now()
      const waiter = this.#waiters.peek()
      if (waiter === undefined) return
      const { atMs, isFirm } = this.#windows.readyAt(nowMs, waiter.isBuffered)
      if (atMs > nowMs) {
        this.#rejectExpired(nowMs, atMs, isFirm)
        this.#scheduleWakeup(nowMs, atMs)
        return
      }
      this.#waiters.shift()
      this.#counts.waiting--
      waiter.resolve(this.#grant(waiter.isBuffered, nowMs))
    }
  }

  #rejectExpired (nowMs: number, atMs: number, isFirm: boolean): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.deadlineMs > nowMs && (!isFirm || atMs <= waiter.deadlineMs)) continue
      this.#waiters.remove(waiter.companyId, waiter)
      this.#counts.waiting--
      waiter.reject(this.#rateLimitProblem(nowMs, atMs))
    }
  }

  #scheduleWakeup (nowMs: number, atMs: number): void {
    let nextMs = atMs
    for (const { deadlineMs } of this.#waiters) nextMs = Math.min(nextMs, deadlineMs)
    if (this.#waiters.size > 0) this.#timer = setTimeout(() => this.#grantReady(), nextMs - nowMs)
  }

  #rateLimitProblem (nowMs: number, atMs: number): Problem {
    const headers = { 'retry-after': String(Math.max(1, Math.ceil((atMs - nowMs) / 1000))) }
    if (this.#windows.throttleReason(nowMs) === 'unavailable') return new Problem('procore_unavailable', 'Procore asked to be left alone for a while.', { outcome: 'not_sent', headers })
    this.#counts.rejected++
    return new Problem('procore_rate_limited', 'Procore\'s allowance of requests is spent.', { outcome: 'not_sent', headers })
  }
}
