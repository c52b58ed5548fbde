/**
 * Procore's clock as its `Date` headers tell it, in whole seconds. Whatever Procore says of points in time (resets, dates to come
 * again, when a user was created) is compared on this clock, so that a difference between the two machines makes no wrong wait. It is pure.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** What an answer's `Date` says, in seconds; our own clock where it says nothing. */
export function responseDateSeconds (headers: IncomingHttpHeaders, nowMs: number): number {
  const date = Date.parse(headers.date ?? '')
  return Number.isNaN(date) ? Math.floor(nowMs / 1000) : date / 1000
}

/** `Retry-After` in seconds, at least 0 (RFC 9110 §10.2.3); a date counts from the answer's own `Date`. Nothing when it is neither. */
export function retryAfterSeconds (headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const value = headers['retry-after']
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  // Date.parse takes much for a date that is none, such as `1.5`.
  const date = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date / 1000 - responseDateSeconds(headers, nowMs))
}

/** Seconds until `X-Rate-Limit-Reset` (Procore: Rate Limiting), which is in unix seconds of Procore's clock; below 0 when it is over. Nothing when there is none. */
export function rateLimitResetSeconds (headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const reset = headers['x-rate-limit-reset']
  if (typeof reset !== 'string' || !/^\d{1,12}$/.test(reset)) return undefined
  return Number(reset) - responseDateSeconds(headers, nowMs)
}
