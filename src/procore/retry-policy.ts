/**
 * Whether a request may be sent once more, and which of its two ends counts: the rules of "at most once, unless it is certain that
 * Procore did not act" (docs/decisions/at-most-once.md). It is pure: it sends nothing, and knows neither tokens nor waits.
 */
import { blockOf } from './rate-limit/headers.ts'
import type { ExchangeResult } from './exchange.ts'

/**
 * What made Procore refuse a request before it acted: the token (401), or the pace (429, or 503 with Retry-After). Nothing when it is
 * not certain that it did not act.
 */
export function obstacleOf (result: ExchangeResult, nowMs: number): 'token' | 'pace' | undefined {
  if (result.kind !== 'answer') return undefined
  if (result.status === 401) return 'token'
  return blockOf(result, nowMs) === undefined ? undefined : 'pace'
}

/** Broken off, or failed at their side: worth another try where one does no harm. What took too long would take too long again. */
export function isLost (result: ExchangeResult): boolean {
  return result.kind === 'answer' ? result.status >= 500 : !result.givenUp && !result.timeout
}

/** Whether what the repeat brought counts: if it settles the matter; else the first one stands, on which Procore may have acted. */
export function outweighs (second: ExchangeResult, first: ExchangeResult): boolean {
  return isSettled(second) || !mayHaveActed(first)
}

/** An answer that says what became of the request, whichever of its copies it was given to. */
function isSettled (result: ExchangeResult): boolean {
  return result.kind === 'answer' && result.status < 500 && result.status !== 401 && result.status !== 429
}

/** Whether all of the request was there before it failed. */
function mayHaveActed (result: ExchangeResult): boolean {
  return result.kind === 'answer' ? !result.early : result.sent
}
