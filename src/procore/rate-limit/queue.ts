/**
 * The requests that wait for one rate limit. A request is sent at once if no other waits and the rate limit allows it.
 * Otherwise it waits in order, up to its maximum wait. It is rejected at once if the wait is certainly longer.
 */
import { limits } from '../../config/limits.ts'
import { Problem, overloadedProblem } from '../../server/problem.ts'
import type { Permit, RateLimit } from './rate-limit.ts'
import type { Wait } from './state.ts'

/** A request that needs a permit. */
export interface PermitRequest {
  /** Companies that share one rate limit take turns. */
  companyId: number
  /** Longest wait, in milliseconds. */
  maxWaitMs: number
  signal: AbortSignal
}

interface Waiter {
  companyId: number
  /** Lowest first. Within a company it is the order of arrival; companies alternate. */
  turn: number
  deadlineMs: number
  resolve: (permit: Permit) => void
  reject: (reason: unknown) => void
}

/** Waiting and rejected requests of all queues together. */
export interface QueueCounts { waiting: number, rejected: number }

/** `limits.rateLimit.queuePerCompanyMax` requests of one company may wait. */
export class RateLimitQueue {
  readonly limit: RateLimit
  readonly #counts: QueueCounts
  readonly #waiters = new Set<Waiter>()
  /** Turn of the request that was sent last. */
  #turn = 0
  #timer: NodeJS.Timeout | undefined
  #isGranting = false
  /** Why and until when the last request that asked has to wait. All times are by the clock of this process. */
  #wait: (Wait & { untilMs: number, askAgainAtMs: number }) | undefined

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
    const arrivedAtMs = Date.now()
    const mustWait = this.#waiters.size > 0 || (this.#wait?.askAgainAtMs ?? 0) > arrivedAtMs
    return (mustWait ? undefined : await this.#ask()) ?? await this.#enqueue(request, arrivedAtMs)
  }

  stop (): void {
    clearTimeout(this.#timer)
  }

  async #ask (): Promise<Permit | undefined> {
    const reply = await this.limit.tryAcquire()
    if ('release' in reply) {
      this.#wait = undefined
      return { waitMs: 0, release: update => { reply.release(update); this.#grantWaiting() } }
    }
    const nowMs = Date.now()
    const untilMs = nowMs + reply.waitMs
    const askAgainAtMs = reply.isFirm ? untilMs : Math.min(untilMs, nowMs + limits.rateLimit.pollMs)
    this.#wait = { ...reply, untilMs, askAgainAtMs }
    return undefined
  }

  async #enqueue ({ companyId, maxWaitMs, signal }: PermitRequest, arrivedAtMs: number): Promise<Permit> {
    signal.throwIfAborted()
    const { probeMs, pollMs, queueMax, queuePerCompanyMax } = limits.rateLimit
    // A response to a request in flight arrives soon, so a request waits for it even if its own limit is shorter.
    const minWaitMs = this.#wait?.isFirm === false ? probeMs + pollMs : 0
    const deadlineMs = arrivedAtMs + Math.max(maxWaitMs, minWaitMs)
    if (this.#isHopeless(deadlineMs)) throw this.#rateLimitProblem()
    const ofCompany = [...this.#waiters].filter(waiter => waiter.companyId === companyId)
    if (this.#counts.waiting >= queueMax || ofCompany.length >= queuePerCompanyMax) {
      throw overloadedProblem('Too many requests are waiting for Procore\'s rate limit.', { outcome: 'not_sent' })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Permit>()
    const turn = Math.max(this.#turn, ...ofCompany.map(waiter => waiter.turn + 1))
    const waiter: Waiter = { companyId, turn, deadlineMs, resolve, reject }
    const onAbort = () => this.#reject(waiter, signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => this.#reject(waiter, this.#rateLimitProblem()), deadlineMs - Date.now())
    this.#waiters.add(waiter)
    this.#counts.waiting++
    this.#scheduleAsk()
    try {
      const permit = await promise
      return { ...permit, waitMs: Date.now() - arrivedAtMs }
    } finally {
      this.#counts.waiting--
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Grants permits to the waiting requests until one has to wait longer. */
  async #grantWaiting (): Promise<void> {
    // A firm wait does not end earlier.
    if (this.#wait?.isFirm === false) this.#wait = undefined
    if (this.#isGranting) return
    this.#isGranting = true
    try {
      while (this.#waiters.size > 0) {
        const permit = await this.#ask()
        if (permit === undefined) break
        this.#resolveNext(permit)
      }
    } finally {
      this.#isGranting = false
    }
    for (const waiter of this.#waiters) {
      if (this.#isHopeless(waiter.deadlineMs)) this.#reject(waiter, this.#rateLimitProblem())
    }
    this.#scheduleAsk()
  }

  #resolveNext (permit: Permit): void {
    const [waiter] = [...this.#waiters].sort((a, b) => a.turn - b.turn)
    // All callers have left meanwhile.
    if (waiter === undefined) return permit.release()
    this.#turn = waiter.turn
    this.#waiters.delete(waiter)
    waiter.resolve(permit)
  }

  /** Removes the waiter at once, so that no permit is granted to it anymore. */
  #reject (waiter: Waiter, reason: unknown): void {
    this.#waiters.delete(waiter)
    waiter.reject(reason)
  }

  #scheduleAsk (): void {
    clearTimeout(this.#timer)
    if (this.#waiters.size === 0) return
    this.#timer = setTimeout(() => this.#grantWaiting(), (this.#wait?.askAgainAtMs ?? 0) - Date.now())
  }

  #isHopeless (deadlineMs: number): boolean {
    return this.#wait !== undefined && this.#wait.isFirm && this.#wait.untilMs > deadlineMs
  }

  #rateLimitProblem (): Problem {
    const seconds = Math.ceil(((this.#wait?.untilMs ?? 0) - Date.now()) / 1000)
    const headers = { 'retry-after': String(Math.max(1, seconds)) }
    if (this.#wait?.reason === 'unavailable') {
      const detail = 'Procore is not available and asked to retry later.'
      return new Problem('procore_unavailable', detail, { outcome: 'not_sent', headers })
    }
    this.#counts.rejected++
    return new Problem('procore_rate_limited', 'Procore\'s rate limit is exhausted.', { outcome: 'not_sent', headers })
  }
}
