/**
 * The queue of one rate limit. While requests remain, a permit is granted at once. Otherwise a request waits in order
 * up to its maximum wait, or is rejected with the exact time after which to retry.
 */
import { limits } from '../../config/limits.ts'
import { Problem, overloadedProblem } from '../../server/problem.ts'
import { parseRateLimitUpdate, type RateLimitUpdate, type Throttle, type ThrottleReason } from './headers.ts'
import { RateLimitWindows, type WindowSnapshot } from './window.ts'
import { FairQueue } from './fair-queue.ts'

/** A request that needs a permit. */
export interface PermitRequest {
  /** Companies that share one rate limit take turns. */
  companyId: number
  /** A stream is not used as a probe: it cannot be sent again, and its end is not known. */
  isBuffered: boolean
  /** Longest wait, in milliseconds. */
  maxWaitMs: number
  signal: AbortSignal
}

/** Permission to send one request. Must be released once. */
export interface Permit {
  /** @param update undefined if the request was not sent */
  release: (update?: RateLimitUpdate) => void
}

interface Waiter {
  companyId: number
  sequence: number
  isBuffered: boolean
  deadlineMs: number
  resolve: (permit: Permit) => void
  reject: (error: unknown) => void
}

/** Waiting and rejected requests of all queues together. */
export interface QueueCounts { waiting: number, rejected: number }

/**
 * The rate limit of one company, or one that all companies share. `limits.rateLimit.queuePerCompanyMax` requests of
 * one company may wait.
 */
export class RateLimitQueue {
  readonly #windows = new RateLimitWindows()
  readonly #waiters = new FairQueue<Waiter>()
  readonly #counts: QueueCounts
  #timer: NodeJS.Timeout | undefined
  #nextSequence = 0

  constructor (counts: QueueCounts) {
    this.#counts = counts
  }

  /** What Procore last reported, and whether and how long requests are throttled. */
  get snapshot (): WindowSnapshot & { throttledMs: number, throttleReason: ThrottleReason | undefined } {
    const nowMs = Date.now()
    return {
      ...this.#windows.snapshot(nowMs),
      throttledMs: this.#windows.throttledMs(nowMs),
      throttleReason: this.#windows.throttleReason(nowMs),
    }
  }

  /** Whether a request waits or is in flight. */
  get isBusy (): boolean {
    return this.#waiters.size > 0 || this.#windows.isBusy
  }

  /** Returns the position of a request in the queue. It can be passed to several calls of `acquire`. */
  nextSequence (): number {
    return this.#nextSequence++
  }

  /**
   * Returns a permit to send one request, at once or when the rate limit allows it.
   * @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, with the outcome `not_sent`
   * @throws {ClientDisconnectedError} if the caller disconnects while it waits
   */
  acquire (request: PermitRequest, sequence = this.nextSequence()): Promise<Permit> | Permit {
    const nowMs = Date.now()
    const ready = this.#windows.readyAt(nowMs, request.isBuffered)
    if (this.#waiters.size === 0 && ready.atMs <= nowMs) return this.#grant(request.isBuffered, nowMs)
    if (ready.isFirm && ready.atMs - nowMs > request.maxWaitMs) throw this.#rateLimitProblem(nowMs, ready.atMs)
    // A probe ends within `probeMs`, so a request waits for it even if its own limit is shorter.
    const minWaitMs = ready.isProbing === true ? limits.rateLimit.probeMs : 0
    return this.#enqueue(request, sequence, nowMs + Math.max(request.maxWaitMs, minWaitMs))
  }

  /** How long requests are throttled, in milliseconds; 0 if they are not. */
  get throttledMs (): number {
    return this.#windows.throttledMs(Date.now())
  }

  /** Stops requests for the time that Procore asked for. */
  throttle (throttle: Throttle): void {
    this.#windows.throttle(throttle, Date.now())
    this.#grantReady()
  }

  /** Builds the problem of a request that waited too long. */
  timeoutProblem (): Problem {
    const nowMs = Date.now()
    return this.#rateLimitProblem(nowMs, Math.max(nowMs, this.#windows.readyAt(nowMs, true).atMs))
  }

  /** Applies what other replicas know: a throttle by Procore, or a probe in flight. */
  applyRemote ({ retryAfterMs, reason }: { retryAfterMs: number, reason: ThrottleReason | 'probe' }): void {
    if (reason === 'probe') this.#windows.pauseFor(retryAfterMs, Date.now())
    else this.#windows.throttle({ reason, durationMs: retryAfterMs }, Date.now())
  }

  /** Ends the pause for other replicas: requests that waited for them may try again. */
  resume (): void {
    if (this.#windows.resume()) this.#grantReady()
  }

  /** Stops the timer. */
  stop (): void {
    clearTimeout(this.#timer)
  }

  async #enqueue (request: PermitRequest, sequence: number, deadlineMs: number): Promise<Permit> {
    const { companyId, isBuffered, signal } = request
    const { queueMax, queuePerCompanyMax } = limits.rateLimit
    if (this.#counts.waiting >= queueMax || this.#waiters.sizeFor(companyId) >= queuePerCompanyMax) {
      throw overloadedProblem('Too many requests are waiting for Procore\'s rate limit.', { outcome: 'not_sent' })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Permit>()
    const waiter: Waiter = { companyId, sequence, isBuffered, deadlineMs, resolve, reject }
    this.#waiters.add(companyId, waiter)
    this.#counts.waiting++
    const onAbort = () => {
      if (!this.#waiters.remove(companyId, waiter)) return
      this.#counts.waiting--
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#grantReady()
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #grant (isBuffered: boolean, nowMs: number): Permit {
    const entry = this.#windows.acquire(nowMs, isBuffered)
    return {
      release: update => {
        const releasedAtMs = Date.now()
        if (update?.throttle !== undefined) this.#windows.throttle(update.throttle, releasedAtMs)
        this.#windows.release(update ?? parseRateLimitUpdate(undefined, releasedAtMs), entry, releasedAtMs)
        this.#grantReady()
      },
    }
  }

  /** Grants permits while the limit allows it, rejects expired waiters, and schedules the next run. */
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

  /** Rejects the waiters whose deadline has passed, or certainly passes before a permit can be granted. */
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
    if (this.#windows.throttleReason(nowMs) === 'unavailable') {
      const detail = 'Procore is not available and asked to retry later.'
      return new Problem('procore_unavailable', detail, { outcome: 'not_sent', headers })
    }
    this.#counts.rejected++
    return new Problem('procore_rate_limited', 'Procore\'s rate limit is exhausted.', { outcome: 'not_sent', headers })
  }
}
