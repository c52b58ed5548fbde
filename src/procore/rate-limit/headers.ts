/**
 * Parses the rate limit headers of Procore's responses (Procore: Rate Limiting): how many requests remain until the
 * reset, and whether to retry later.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { limits } from '../../config/limits.ts'
import type { ExchangeFailure, UpstreamResponse } from '../exchange.ts'
import { rateLimitResetSeconds, retryAfterSeconds } from '../http-dates.ts'

/** Why Procore asked this service to retry later. */
export type ThrottleReason = 'rate' | 'unavailable'

/** Procore asked this service to send no requests for this time. */
export interface Throttle {
  reason: ThrottleReason
  durationMs: number
}

/**
 * A rate limit window as reported by the headers. Procore has two windows and reports the one that is closer to its
 * limit.
 */
export interface ReportedWindow {
  /** Identifies the window: its limit and reset as they are in the headers. */
  name: string
  remaining: number
  /** Null if Procore does not report it. */
  limit: number | null
  resetMs: number
}

/** What the result of a request says about the rate limit. */
export interface RateLimitUpdate {
  hasResponse: boolean
  /** Procore may have counted the request. */
  mayBeCounted: boolean
  reportedWindow: ReportedWindow | undefined
  throttle: Throttle | undefined
}

/** Two numbers of at most 15 digits, with a space. */
export const windowNameMaxLength = 31

type ResponseHead = Pick<UpstreamResponse, 'kind' | 'status' | 'headers'>
type Failure = Pick<ExchangeFailure, 'kind' | 'requestSent'>

/** @param result undefined if the request was not sent */
export function parseRateLimitUpdate (result: ResponseHead | Failure | undefined, nowMs: number): RateLimitUpdate {
  if (result?.kind !== 'response') {
    const mayBeCounted = result?.requestSent === true
    return { hasResponse: false, mayBeCounted, reportedWindow: undefined, throttle: undefined }
  }
  // A 429 throttles all requests by itself, so its window is not needed.
  const reportedWindow = result.status === 429 ? undefined : parseWindow(result.headers, nowMs)
  return { hasResponse: true, mayBeCounted: true, reportedWindow, throttle: parseThrottle(result, nowMs) }
}

/** Assumed for a 429 without a time: the shorter of Procore's two windows. */
const shortWindowSeconds = 10

/** Parses a 429, or a 503 with Retry-After: Procore sends them before it acts on a request. */
function parseThrottle ({ status, headers }: ResponseHead, nowMs: number): Throttle | undefined {
  const retryAfter = retryAfterSeconds(headers, nowMs)
  if (status !== 429 && (status !== 503 || retryAfter === undefined)) return undefined
  const seconds = retryAfter ?? rateLimitResetSeconds(headers, nowMs) ?? shortWindowSeconds
  return { reason: status === 429 ? 'rate' : 'unavailable', durationMs: toWaitMs(Math.max(1, seconds)) }
}

function parseWindow (headers: IncomingHttpHeaders, nowMs: number): ReportedWindow | undefined {
  const remaining = parseCount(headers['x-rate-limit-remaining'])
  const resetSeconds = rateLimitResetSeconds(headers, nowMs)
  if (remaining === undefined || resetSeconds === undefined || resetSeconds <= 0) return undefined
  const limit = parseCount(headers['x-rate-limit-limit']) ?? null
  return {
    name: `${limit ?? ''} ${String(headers['x-rate-limit-reset'])}`,
    remaining,
    limit,
    resetMs: toWaitMs(resetSeconds),
  }
}

/** A wrong header must not stop a company for days: after the longest wait, one request probes. */
function toWaitMs (seconds: number): number {
  return Math.min(seconds * 1000, limits.rateLimit.waitMaxMs)
}

function parseCount (value: string | string[] | undefined): number | undefined {
  return typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : undefined
}
