/**
 * Decides whether a failed call is sent again, and when. A call is retried only if the first attempt certainly had no
 * effect, if it is idempotent, or if it has an Idempotency-Key, by which the service recognizes the repetition.
 */
import { ProblemError, type Failure } from './errors.ts'
import { limits } from './limits.ts'
import type { ProblemCode } from './operation.ts'

export interface RetryConditions {
  /** Sending the request twice has the effect of sending it once. */
  isIdempotent: boolean
  idempotencyKey: string | undefined
}

export interface Retry {
  failure: Failure
  /** The number of the next attempt; the first retry is attempt 2. */
  attempt: number
  delayMs: number
  /** With the same key the service creates nothing twice, even if the outcome of the last attempt is unknown. */
  idempotencyKey: string | undefined
}

/** Temporary problems, which do not mean that the request is wrong. */
const transientCodes: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'request_timeout',
  'idempotency_in_progress',
  'too_many_requests',
  'procore_rate_limited',
  'procore_unreachable',
  'procore_bad_response',
  'procore_unavailable',
  'procore_timeout',
  'identity_unavailable',
  'overloaded',
  'stopping',
])

/** Statuses that a gateway sends itself when it cannot reach the service. */
const gatewayStatuses: ReadonlySet<number | undefined> = new Set([502, 503, 504])

export function shouldRetry (failure: Failure, { isIdempotent, idempotencyKey }: RetryConditions): boolean {
  const isSafeToRetry = isIdempotent || idempotencyKey !== undefined
  if (!(failure instanceof ProblemError)) {
    const isFromGateway = failure.reason === 'response' && gatewayStatuses.has(failure.status)
    return isSafeToRetry && (failure.reason === 'connection' || isFromGateway)
  }
  if (!transientCodes.has(failure.code)) return false
  switch (failure.outcome) {
    case 'unknown': return isSafeToRetry
    // Procore rejected the request. Retry only if Procore says when.
    case 'rejected': return failure.retryAfterMs !== undefined
    default: return true
  }
}

/**
 * Whether the failure of the last attempt states the outcome of all attempts. It does not if an earlier one may have
 * worked: a user whom that attempt reactivated is not among the inactive users, and gets 404. With an idempotency key,
 * a rejection is the result of the key.
 */
export function statesOutcome (failure: Failure, { isIdempotent }: Pick<RetryConditions, 'isIdempotent'>): boolean {
  if (failure.outcome === 'unknown') return true
  if (!isIdempotent) return failure.outcome === 'rejected'
  return failure instanceof ProblemError && failure.code === 'procore_rejected' && contentStatuses.has(failure.status)
}

/** Procore rejected what the request contains, which is the same in all attempts. */
const contentStatuses: ReadonlySet<number> = new Set([400, 413, 415, 422])

/** Calculates the pauses of one call, until its attempts or its time are used up. */
export class Backoff {
  #attempts = 1
  #totalDelayMs = 0
  #baseDelayMs: number = limits.backoffMs

  /** Returns the pause before the next attempt, or undefined if there must be none. */
  nextDelayMs (failure: Failure): number | undefined {
    const isInProgress = failure instanceof ProblemError && failure.code === 'idempotency_in_progress'
    if (!isInProgress && ++this.#attempts > limits.attemptsMax) return undefined
    const retryAfterMs = failure instanceof ProblemError ? failure.retryAfterMs ?? 0 : 0
    // Never shorter than the growing pause: an endless `Retry-After: 0` must end too.
    const delayMs = Math.max(retryAfterMs, this.#jitteredDelayMs())
    this.#totalDelayMs += delayMs
    const totalMaxMs = isInProgress ? limits.inProgressDelayTotalMaxMs : limits.retryDelayTotalMaxMs
    return this.#totalDelayMs > totalMaxMs ? undefined : delayMs
  }

  /** Adds jitter, so that clients that failed together do not retry together. */
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

/** Settles as `work` does, or rejects as soon as the signal aborts. @throws the signal's reason */
export function withAbort<T> (work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
