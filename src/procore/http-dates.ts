/**
 * Reads points in time from response headers on Procore's clock, in whole seconds. Procore's resets, retry dates and
 * creation dates are compared with the `Date` of the same response, so a difference between the clocks of the two
 * machines does not change a wait.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Returns the `Date` of a response in seconds, or our own time if the response has none. */
export function responseDateSeconds (headers: IncomingHttpHeaders, nowMs: number): number {
  const dateMs = Date.parse(headers.date ?? '')
  return Number.isNaN(dateMs) ? Math.floor(nowMs / 1000) : dateMs / 1000
}

/**
 * Returns `Retry-After` in seconds, at least 0 (RFC 9110 §10.2.3). A date is relative to the response's own `Date`.
 * Returns undefined if the header is absent or is neither a number nor a date.
 */
export function retryAfterSeconds (headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const value = headers['retry-after']
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value)
  // Date.parse also accepts texts that are not HTTP dates, such as `1.5`.
  const dateMs = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : NaN
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs / 1000 - responseDateSeconds(headers, nowMs))
}

/**
 * Returns the seconds until `X-Rate-Limit-Reset` (Procore: Rate Limiting), which is a Unix time in seconds on Procore's
 * clock. The result is negative if the reset is over, and undefined if the header is absent or malformed.
 */
export function rateLimitResetSeconds (headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const reset = headers['x-rate-limit-reset']
  if (typeof reset !== 'string' || !/^\d{1,15}$/.test(reset)) return undefined
  return Number(reset) - responseDateSeconds(headers, nowMs)
}
