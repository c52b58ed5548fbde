/**
 * Whether a call that failed is sent again, and when. Sent again is only what is certain to have had no effect, what has no more
 * of it the second time, or what goes under the same Idempotency-Key, so that the service itself knows it again.
 */
import { ProblemError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { ProblemCode } from './operation.ts'

/** What a call may be sent again for. */
export interface RetryConditions {
  /** Sent twice it does no more than once, whatever becomes of it. */
  isIdempotent: boolean
  idempotencyKey: string | undefined
}

/** A repeat that is about to be made. */
export interface Retry {
  failure: Failure
  /** The attempt that follows; 2 is the first repeat. */
  attempt: number
  delayMs: number
  /** Under the same key nothing is made twice, even if the outcome of the attempt before is unknown. */
  idempotencyKey: string | undefined
}

/** Problems of the moment, which say nothing against the request. */
const transientCodes: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'request_timeout', 'idempotency_in_progress', 'too_many_requests', 'procore_rate_limited', 'procore_unreachable', 'procore_bad_response',
  'procore_unavailable', 'procore_timeout', 'identity_unavailable', 'overloaded', 'stopping',
])

/** What gateways answer by themselves when there is no service behind them. */
const gatewayStatuses: ReadonlySet<number | undefined> = new Set([502, 503, 504])

export function shouldRetry (failure: Failure, { isIdempotent, idempotencyKey }: RetryConditions): boolean {
  const isSafeToRetry = isIdempotent || idempotencyKey !== undefined
  if (!(failure instanceof ProblemError)) return isSafeToRetry && (failure.reason === 'connection' || (failure.reason === 'response' && gatewayStatuses.has(failure.status)))
  if (!transientCodes.has(failure.code)) return false
  switch (failure.outcome) {
    case 'unknown': return isSafeToRetry
    // Procore refused: another time only if it says when.
    case 'rejected': return failure.retryAfterMs !== undefined
    default: return true
  }
}

/** The pauses of one call, which end when attempts or time are used up. */
export class Backoff {
  #attempts = 1
  #totalDelayMs = 0
  #baseDelayMs: number = limits.backoffMs

  /** How long to wait before the next attempt; nothing when there shall be none. */
  nextDelayMs (failure: Failure): number | undefined {
    const isInProgress = failure instanceof ProblemError && failure.code === 'idempotency_in_progress'
    if (!isInProgress && ++this.#attempts > limits.attemptsMax) return undefined
    // Never less than the growing pause: `Retry-After: 0` for ever must have an end too.
    const delayMs = Math.max(failure instanceof ProblemError ? failure.retryAfterMs ?? 0 : 0, this.#jitteredDelayMs())
    this.#totalDelayMs += delayMs
    return this.#totalDelayMs > limits.retryDelayTotalMaxMs ? undefined : delayMs
  }

  /** Not the same for all who failed together. */
  #jitteredDelayMs (): number {
    const delayMs = this.#baseDelayMs * (0.5 + Math.random() / 2)
    this.#baseDelayMs = Math.min(this.#baseDelayMs * 2, limits.backoffMaxMs)
    return delayMs
  }
}

/** @throws the signal's reason */
export function sleep (ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** What is waited for, or an end of waiting. @throws the signal's reason */
export function withAbort<T> (work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
