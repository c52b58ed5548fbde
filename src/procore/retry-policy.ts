/**
 * Decides whether a request may be sent again, and which of the two results counts. A create is sent at most once,
 * unless it is certain that Procore did not act (docs/decisions/at-most-once.md).
 */
import type { ExchangeResult } from './exchange.ts'
import { parseThrottle } from './rate-limit/headers.ts'

/**
 * Returns why Procore refused a request before it acted: the access token (401), or the rate (429, or 503 with
 * Retry-After). Returns undefined if it is not certain that Procore did not act.
 */
export function retryReason (result: ExchangeResult, nowMs: number): 'unauthorized' | 'throttled' | undefined {
  if (result.kind !== 'response') return undefined
  if (result.status === 401) return 'unauthorized'
  return parseThrottle(result, nowMs) === undefined ? undefined : 'throttled'
}

/**
 * Whether a repeated request may succeed: the connection was lost, or Procore responded with 5xx. A request that timed
 * out would probably time out again.
 */
export function isTransient (result: ExchangeResult): boolean {
  return result.kind === 'response' ? result.status >= 500 : !result.aborted && !result.timedOut
}

/**
 * Whether the result of the retry replaces the initial one. If the retry is not conclusive, the initial result counts
 * as long as Procore may have processed that request.
 */
export function supersedes (retry: ExchangeResult, initial: ExchangeResult): boolean {
  return isConclusive(retry) || !mayHaveBeenProcessed(initial)
}

/** Whether the response states the outcome, whichever of the two copies of the request it belongs to. */
function isConclusive (result: ExchangeResult): boolean {
  return result.kind === 'response' && result.status < 500 && result.status !== 401 && result.status !== 429
}

/** Whether Procore may have received the complete request before it failed. */
function mayHaveBeenProcessed (result: ExchangeResult): boolean {
  return result.kind === 'response' ? !result.beforeRequestEnd : result.requestSent
}
