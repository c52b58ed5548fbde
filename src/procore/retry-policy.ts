/**
 * Whether a request may be sent once more, and which of its two ends counts: the rules of "at most once, unless it is certain that
 * Procore did not act" (docs/decisions/at-most-once.md). It is pure: it sends nothing, and knows neither tokens nor waits.
 */
import { parseThrottle } from './rate-limit/headers.ts'
import type { ExchangeResult } from './exchange.ts'

/**
 * What made Procore refuse a request before it acted: the token (401), or the pace (429, or 503 with Retry-After). Nothing when it is
 * not certain that it did not act.
 */
export function retryReason (result: ExchangeResult, nowMs: number): 'unauthorized' | 'throttled' | undefined {
  if (result.kind !== 'response') return undefined
  if (result.status === 401) return 'unauthorized'
  return parseThrottle(result, nowMs) === undefined ? undefined : 'throttled'
}

/** Broken off, or failed at their side: worth another try where one does no harm. What took too long would take too long again. */
export function isTransient (result: ExchangeResult): boolean {
  return result.kind === 'response' ? result.status >= 500 : !result.aborted && !result.timedOut
}

/** Whether what the repeat brought counts: if it settles the matter; else the first one stands, on which Procore may have acted. */
export function supersedes (retry: ExchangeResult, initial: ExchangeResult): boolean {
  return isConclusive(retry) || !mayHaveBeenProcessed(initial)
}

/** An answer that says what became of the request, whichever of its copies it was given to. */
function isConclusive (result: ExchangeResult): boolean {
  return result.kind === 'response' && result.status < 500 && result.status !== 401 && result.status !== 429
}

/** Whether all of the request was there before it failed. */
function mayHaveBeenProcessed (result: ExchangeResult): boolean {
  return result.kind === 'response' ? !result.beforeRequestEnd : result.requestSent
}
