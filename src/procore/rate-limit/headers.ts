/**
 * What an answer of Procore's tells of its allowance (Procore: Rate Limiting): what remains until when, and whether to come back later.
 * It is pure: it knows no other answer.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamResponse, ExchangeResult } from '../exchange.ts'
import { rateLimitResetSeconds, retryAfterSeconds } from '../http-dates.ts'

/** Why Procore said to come back later. */
export type ThrottleReason = 'rate' | 'unavailable'

/** Procore is to be left alone for so long. */
export interface Throttle {
  reason: ThrottleReason
  durationMs: number
}

/** Procore has two windows and tells of the one nearer to its end; by what names it in the headers. */
export interface ReportedWindow {
  name: string
  remaining: number
  /** Of how many, if it says so. */
  limit: number | undefined
  resetMs: number
}

/** What the end of a request told. */
export interface RateLimitUpdate {
  hasResponse: boolean
  /** Procore may have counted it. */
  mayBeCounted: boolean
  reportedWindow: ReportedWindow | undefined
  throttle: Throttle | undefined
}

/** @param result nothing when the request did not leave */
export function parseRateLimitUpdate (result: ExchangeResult | undefined, nowMs: number): RateLimitUpdate {
  if (result?.kind !== 'response') return { hasResponse: false, mayBeCounted: result?.requestSent === true, reportedWindow: undefined, throttle: undefined }
  // A 429 says by its own headers when to come again, and blocks.
  return { hasResponse: true, mayBeCounted: true, reportedWindow: result.status === 429 ? undefined : parseWindow(result.headers, nowMs), throttle: parseThrottle(result, nowMs) }
}

/** The shorter of Procore's two windows, for a 429 that does not say when to come again. */
const shortWindowSeconds = 10

/** 429, or 503 with Retry-After: Procore says so before it acts. */
export function parseThrottle ({ status, headers }: UpstreamResponse, nowMs: number): Throttle | undefined {
  const seconds = retryAfterSeconds(headers, nowMs)
  if (status !== 429 && (status !== 503 || seconds === undefined)) return undefined
  return { reason: status === 429 ? 'rate' : 'unavailable', durationMs: Math.max(1, seconds ?? rateLimitResetSeconds(headers, nowMs) ?? shortWindowSeconds) * 1000 }
}

function parseWindow (headers: IncomingHttpHeaders, nowMs: number): ReportedWindow | undefined {
  const remaining = headers['x-rate-limit-remaining']
  const seconds = rateLimitResetSeconds(headers, nowMs)
  if (typeof remaining !== 'string' || !/^\d{1,12}$/.test(remaining) || seconds === undefined || seconds <= 0) return undefined
  const limit = headers['x-rate-limit-limit']
  return { name: `${String(limit)} ${String(headers['x-rate-limit-reset'])}`, remaining: Number(remaining), limit: typeof limit === 'string' && /^\d{1,12}$/.test(limit) ? Number(limit) : undefined, resetMs: seconds * 1000 }
}
