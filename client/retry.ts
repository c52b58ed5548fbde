/**
 * Whether a call that failed is sent again, and when. Sent again is only what is certain to have had no effect, what has no more
 * of it the second time, or what goes under the same Idempotency-Key, so that the service itself knows it again.
 */
import { ProblemError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { ProblemCode } from './operation.ts'

/** What a call may be sent again for. */
export interface Repeatable {
  /** Sent twice it does no more than once, whatever becomes of it. */
  isIdempotent: boolean
  idempotencyKey: string | undefined
}

/** A repeat that is about to be made. */
export interface Repeat {
  failure: Failure
  /** The attempt that follows; 2 is the first repeat. */
  attempt: number
  pauseMs: number
  /** Under the same key nothing is made twice, even if the outcome of the attempt before is unknown. */
  idempotencyKey: string | undefined
}

/** Problems of the moment, which say nothing against the request. */
const passing: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'request_timeout', 'idempotency_in_progress', 'too_many_requests', 'procore_rate_limited', 'procore_unreachable', 'procore_bad_response',
  'procore_unavailable', 'procore_timeout', 'identity_unavailable', 'overloaded', 'stopping',
])

/** What gateways answer by themselves when there is no service behind them. */
const gatewayStatuses: ReadonlySet<number | undefined> = new Set([502, 503, 504])

export function mayRepeat (failure: Failure, { isIdempotent, idempotencyKey }: Repeatable): boolean {
  const isHarmless = isIdempotent || idempotencyKey !== undefined
  if (!(failure instanceof ProblemError)) return isHarmless && (failure.reason === 'connection' || (failure.reason === 'answer' && gatewayStatuses.has(failure.status)))
  if (!passing.has(failure.code)) return false
  switch (failure.outcome) {
    case 'unknown': return isHarmless
    // Procore refused: another time only if it says when.
    case 'rejected': return failure.retryAfterMs !== undefined
    default: return true
  }
}

/** The pauses of one call, which end when attempts or time are used up. */
export class Pauses {
  #attempts = 1
  #waitedMs = 0
  #nextMs: number = limits.pauseMs

  /** How long to wait before the next attempt; nothing when there shall be none. */
  next (failure: Failure): number | undefined {
    const isRunning = failure instanceof ProblemError && failure.code === 'idempotency_in_progress'
    if (!isRunning && ++this.#attempts > limits.attemptsMax) return undefined
    // Never less than the growing pause: `Retry-After: 0` for ever must have an end too.
    const pauseMs = Math.max(failure instanceof ProblemError ? failure.retryAfterMs ?? 0 : 0, this.#growing())
    this.#waitedMs += pauseMs
    return this.#waitedMs > limits.waitMaxMs ? undefined : pauseMs
  }

  /** Not the same for all who failed together. */
  #growing (): number {
    const pauseMs = this.#nextMs * (0.5 + Math.random() / 2)
    this.#nextMs = Math.min(this.#nextMs * 2, limits.pauseMaxMs)
    return pauseMs
  }
}

/** @throws the signal's reason */
export function pause (ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave)
      resolve()
    }, ms)
    signal.addEventListener('abort', leave, { once: true })
  })
}

/** What is waited for, or an end of waiting. @throws the signal's reason */
export function orAborted<T> (work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
