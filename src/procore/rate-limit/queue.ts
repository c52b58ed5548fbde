/**
 * The requests that wait for one rate limit. A request is sent at once if no other waits and the rate limit allows it.
 * Otherwise it waits for its turn, up to its maximum wait. It is rejected at once if the wait is certainly longer.
 */
import { limits } from '../../config/limits.ts'
import { Problem, overloadedProblem } from '../../server/problem.ts'
import type { Permit, RateLimit } from './rate-limit.ts'
import type { PermitPurpose, Purpose, Wait } from './state.ts'
import { Turns } from './turns.ts'
import { monotonicNowMs } from '../../util/clock.ts'

/** A request that needs a permit. */
export interface PermitRequest extends PermitPurpose {
  /** Undefined for a request about no company. */
  companyId: number | undefined
  /** Longest wait, in milliseconds. */
  maxWaitMs: number
  signal: AbortSignal
}

interface Waiter extends Pick<PermitRequest, 'companyId' | 'callerId' | 'purpose'> {
  deadlineMs: number
  resolve: (permit: Permit) => void
  reject: (reason: unknown) => void
}

/** Waiting and rejected requests of all queues together. */
export interface QueueCounts { waiting: number, rejected: number }

/** Why and until when requests have to wait, by the clock of this process. */
interface KnownWait extends Wait {
  untilMs: number
  askAgainAtMs: number
}

/** `limits.rateLimit.queuePerCompanyMax` requests of one company may wait. */
export class RateLimitQueue {
  readonly limit: RateLimit
  readonly #counts: QueueCounts
  readonly #waiters = new Turns<Waiter>()
  #timer: NodeJS.Timeout | undefined
  #isGranting = false
  /** The wait of all requests. */
  #wait: KnownWait | undefined
  /** The waits for a part of the window that is not reserved, if the response to a request in flight may end them. */
  readonly #reserveWaits = new Map<Purpose, KnownWait>()

  constructor (limit: RateLimit, counts: QueueCounts) {
    this.limit = limit
    this.#counts = counts
  }

  /** Whether a request waits or is in flight. */
  get isBusy (): boolean {
    return this.limit.isBusy || this.#waiters.size > 0
  }

  /** See `RateLimiter.acquire`. */
  async acquire (request: PermitRequest): Promise<Permit> {
    request.signal.throwIfAborted()
    const arrivedAtMs = monotonicNowMs()
    const mustWait = this.#nextAskAtMs(request) > arrivedAtMs || this.#findNext() !== undefined
    const reply = mustWait ? undefined : this.limit.tryAcquire(request)
    const permit = reply && this.#applyReply(request, reply instanceof Promise ? await reply : reply)
    return permit ?? await this.#enqueue(request, arrivedAtMs)
  }

  /** Stops the timers, and gives back the permits that are held in advance. */
  stop (): void {
    clearTimeout(this.#timer)
    this.limit.close()
  }

  /** Returns the permit, or remembers the wait. */
  #applyReply ({ purpose }: PermitPurpose, reply: Permit | Wait): Permit | undefined {
    if ('release' in reply) {
      this.#wait = undefined
      return { waitMs: 0, release: update => { reply.release(update); this.#askAgain() } }
    }
    const wait = toKnownWait(reply)
    // The limit keeps all other restrictions.
    if (reply.reason !== 'share' && reply.reason !== 'reserve') this.#wait = wait
    else if (!reply.isFirm) this.#reserveWaits.set(purpose, wait)
    return undefined
  }

  async #enqueue (request: PermitRequest, arrivedAtMs: number): Promise<Permit> {
    const { companyId, callerId, purpose, maxWaitMs, signal } = request
    signal.throwIfAborted()
    const { probeMs, pollMs, queueMax, queuePerCompanyMax } = limits.rateLimit
    // A response to a request in flight arrives soon, so a request waits for it even if its own limit is shorter.
    const minWaitMs = this.#waitOf(request)?.isFirm === false ? probeMs + pollMs : 0
    const deadlineMs = arrivedAtMs + Math.max(maxWaitMs, minWaitMs)
    if (this.#isHopeless(request, deadlineMs)) throw this.#rateLimitProblem(request)
    if (this.#counts.waiting >= queueMax || this.#waiters.countOf(companyId) >= queuePerCompanyMax) {
      throw overloadedProblem('Too many requests are waiting for Procore\'s rate limit.', { outcome: 'not_sent' })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Permit>()
    const waiter: Waiter = { companyId, callerId, purpose, deadlineMs, resolve, reject }
    const onAbort = () => this.#reject(waiter, signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const remainingMs = Math.max(0, deadlineMs - monotonicNowMs())
    const timer = setTimeout(() => this.#reject(waiter, this.#rateLimitProblem(waiter)), remainingMs)
    this.#waiters.add(waiter)
    this.#counts.waiting++
    this.#scheduleAsk()
    try {
      const permit = await promise
      return { ...permit, waitMs: monotonicNowMs() - arrivedAtMs }
    } finally {
      this.#counts.waiting--
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Must be called when a response or the time may have ended a wait. */
  #askAgain (): void {
    // A firm wait does not end earlier.
    if (this.#wait?.isFirm === false) this.#wait = undefined
    this.#reserveWaits.clear()
    // Most responses find no request that waits.
    if (this.#waiters.size > 0) this.#grantWaiting()
  }

  /** Grants permits to the waiting requests, each at its turn, until all that are left have to wait longer. */
  async #grantWaiting (): Promise<void> {
    if (this.#isGranting) return
    this.#isGranting = true
    try {
      for (let waiter = this.#findNext(); waiter !== undefined; waiter = this.#findNext()) {
        const permit = this.#applyReply(waiter, await this.limit.tryAcquire(waiter))
        // The caller may have left meanwhile.
        if (permit !== undefined && this.#waiters.take(waiter)) waiter.resolve(permit)
        else permit?.release()
      }
    } finally {
      this.#isGranting = false
    }
    for (const waiter of this.#waiters) {
      if (this.#isHopeless(waiter, waiter.deadlineMs)) this.#reject(waiter, this.#rateLimitProblem(waiter))
    }
    this.#scheduleAsk()
  }

  /** Returns the waiting request whose turn is next, of those that may pass now. */
  #findNext (): Waiter | undefined {
    if (this.#waiters.size === 0) return undefined
    const nowMs = monotonicNowMs()
    if ((this.#wait?.askAgainAtMs ?? 0) > nowMs) return undefined
    for (const waiter of this.#waiters) if (this.#nextAskAtMs(waiter) <= nowMs) return waiter
    return undefined
  }

  /** Removes the waiter at once, so that no permit is granted to it anymore. */
  #reject (waiter: Waiter, reason: unknown): void {
    this.#waiters.delete(waiter)
    waiter.reject(reason)
  }

  #scheduleAsk (): void {
    clearTimeout(this.#timer)
    if (this.#waiters.size === 0) return
    let nextAskAtMs = Infinity
    for (const waiter of this.#waiters) nextAskAtMs = Math.min(nextAskAtMs, this.#nextAskAtMs(waiter))
    this.#timer = setTimeout(() => this.#askAgain(), Math.max(0, nextAskAtMs - monotonicNowMs()))
  }

  /** Returns when the request may pass at the earliest, as far as that is known; 0 if nothing delays it. */
  #nextAskAtMs (purpose: PermitPurpose): number {
    return Math.max(0, ...this.#waitsOf(purpose).map(({ askAgainAtMs }) => askAgainAtMs))
  }

  /** Returns the longest wait of the request. */
  #waitOf (purpose: PermitPurpose): KnownWait | undefined {
    return this.#waitsOf(purpose).sort((a, b) => b.untilMs - a.untilMs)[0]
  }

  #waitsOf (purpose: PermitPurpose): KnownWait[] {
    const restriction = this.limit.getRestriction(purpose)
    const waits = [this.#wait, restriction && toKnownWait(restriction), this.#reserveWaits.get(purpose.purpose)]
    return waits.filter(wait => wait !== undefined)
  }

  #isHopeless (purpose: PermitPurpose, deadlineMs: number): boolean {
    return this.#waitsOf(purpose).some(({ isFirm, untilMs }) => isFirm && untilMs > deadlineMs)
  }

  #rateLimitProblem (purpose: PermitPurpose): Problem {
    const wait = this.#waitOf(purpose)
    const seconds = Math.ceil(((wait?.untilMs ?? 0) - monotonicNowMs()) / 1000)
    const headers = { 'retry-after': String(Math.max(1, seconds)) }
    if (wait?.reason === 'unavailable') {
      const detail = 'Procore is not available and asked to retry later.'
      return new Problem('procore_unavailable', detail, { outcome: 'not_sent', headers })
    }
    this.#counts.rejected++
    return new Problem('procore_rate_limited', waitDetails[wait?.reason ?? 'rate'], { outcome: 'not_sent', headers })
  }
}

const waitDetails: Record<Exclude<Wait['reason'], 'unavailable'>, string> = {
  rate: 'Procore\'s rate limit is exhausted.',
  probe: 'Procore\'s rate limit is exhausted.',
  share: 'This caller has used its share of Procore\'s rate limit.',
  reserve: 'The rest of Procore\'s rate limit is reserved for single creates and changes.',
}

function toKnownWait (wait: Wait): KnownWait {
  const nowMs = monotonicNowMs()
  const untilMs = nowMs + wait.waitMs
  return { ...wait, untilMs, askAgainAtMs: wait.isFirm ? untilMs : Math.min(untilMs, nowMs + limits.rateLimit.pollMs) }
}
