/**
 * Classifies one exchange: what the caller gets, and what it says about the rate limit, the API host and a further
 * attempt.
 */
import { Problem, type Outcome } from '../server/problem.ts'
import { limits } from '../config/limits.ts'
import { parseJson } from '../util/parse-json.ts'
import { isAbortReason, type AbortReason } from '../server/abort.ts'
import type { UpstreamResponse, ExchangeFailure, ExchangeResult } from './exchange.ts'
import { timeoutDetails, connectionErrorDetails } from './problem-details.ts'
import { parseRateLimitUpdate, type RateLimitUpdate } from './rate-limit/headers.ts'
import type { UpstreamRejection, UpstreamResult, UpstreamSuccess } from './result.ts'

/** What a successful response must look like to be relayed. */
export interface ResponseExpectation {
  /** Whether the body may be empty, as in a 202 or 204. */
  mayBeEmpty: boolean
  /** Headers to relay with it, in lower case. */
  headers: readonly string[]
}

/** A record or a list, without headers that the caller needs. */
export const expectJson: ResponseExpectation = { mayBeEmpty: false, headers: [] }

/** Procore's headers that belong to one page of a list. */
export const pageHeaderNames = ['link', 'total', 'per-page']

/** One page of a list. */
export const expectPage: ResponseExpectation = { mayBeEmpty: false, headers: pageHeaderNames }

/** The properties of a request that its classification depends on. */
export interface SentRequest {
  /** It is safe or idempotent (RFC 9110 §9.2), so it may be sent again even if Procore may have acted on it. */
  isIdempotent: boolean
  /** A stream cannot be sent again. */
  isStreamed: boolean
  expectation: ResponseExpectation
}

/**
 * Why a request may be sent once more. `unauthorized` (401) and `throttled` (429, or 503 with Retry-After): Procore
 * refused it before it acted. `transient`: the connection was lost, or Procore responded with 5xx, and the request is
 * idempotent. A request that timed out would probably time out again.
 */
export type RetryReason = 'unauthorized' | 'throttled' | 'transient'

/** Everything that follows from one exchange. */
export interface Classification {
  result: UpstreamResult
  retryReason: RetryReason | undefined
  /** Procore may have received the complete request. */
  mayBeProcessed: boolean
  rateLimit: RateLimitUpdate
  /**
   * Whether the API host is up. `suspect`: it failed, but perhaps only for this request. Undefined if the exchange
   * shows nothing.
   */
  hostSignal: 'up' | 'down' | 'suspect' | undefined
}

/** A rejection that is plain text is truncated to this length. */
const rejectionTextMaxLength = 4096

export function classify (exchange: ExchangeResult, request: SentRequest, nowMs: number): Classification {
  const rateLimit = parseRateLimitUpdate(exchange, nowMs)
  return exchange.kind === 'response'
    ? classifyResponse(exchange, request, rateLimit)
    : classifyFailure(exchange, request, rateLimit)
}

/** A gateway sends them if the servers behind it cannot be reached, overloaded or silent. */
const gatewayStatuses: ReadonlySet<number> = new Set([502, 503, 504])

function classifyResponse (
  response: UpstreamResponse, request: SentRequest, rateLimit: RateLimitUpdate
): Classification {
  const { status, beforeRequestEnd } = response
  const isThrottled = rateLimit.throttle !== undefined
  const transient = request.isIdempotent && status >= 500 ? 'transient' : undefined
  return {
    result: interpretResponse(response, request, rateLimit),
    retryReason: status === 401 ? 'unauthorized' : isThrottled ? 'throttled' : transient,
    mayBeProcessed: !beforeRequestEnd,
    rateLimit,
    // 503 with Retry-After is an orderly refusal, so the host is up.
    hostSignal: status < 500 || isThrottled ? 'up' : gatewayStatuses.has(status) ? 'down' : 'suspect',
  }
}

function classifyFailure (
  failure: ExchangeFailure, { isIdempotent, isStreamed }: SentRequest, rateLimit: RateLimitUpdate
): Classification {
  const { phase, requestSent, timedOut, aborted, cause } = failure
  // No connection became free in time: the cause may be the number of our own requests. A streamed form that is cut off
  // may be its caller's doing. No caller may open the breaker for all others.
  const isLost = !timedOut && (phase === 'connect' || isConnectionError(cause))
  const isNoFaultOfHost = aborted || (phase === 'connect' && timedOut) || (phase === 'send' && isStreamed)
  return {
    result: { kind: 'failure', error: failureError(failure) },
    retryReason: isIdempotent && !aborted && !timedOut ? 'transient' : undefined,
    mayBeProcessed: requestSent,
    rateLimit,
    // A response that is slow, too large or malformed may be due to what the request asks for.
    hostSignal: isNoFaultOfHost ? undefined : isLost ? 'down' : 'suspect',
  }
}

function interpretResponse (
  response: UpstreamResponse, { isStreamed, expectation }: SentRequest, { throttle }: RateLimitUpdate
): UpstreamResult {
  const { status } = response
  if (status >= 200 && status < 300) return parseSuccess(response, expectation)
  if (status === 401) return failed(unauthorizedProblem(isStreamed))
  if (isHopStatus(status, isStreamed)) {
    const detail = status === 411
      ? 'Procore does not accept streamed forms.'
      : `A server between this service and Procore refused the request with status ${status}.`
    return failed(new Problem('procore_bad_response', detail, { outcome: 'rejected' }))
  }
  if (throttle !== undefined && status === 429) return failed(rateLimitedProblem(throttle.durationMs))
  if (status >= 400 && status < 500) {
    if (response.containsAccessToken) return failed(leakProblem('rejected'))
    const rejection: UpstreamRejection = { kind: 'rejection', status, body: parseRejectionBody(response) }
    if (response.headers['retry-after'] !== undefined) rejection.hasRetryAfter = true
    return rejection
  }
  return failed(serverProblem(response, throttle?.durationMs))
}

/**
 * Statuses about the connection of this service, not about the caller's request. A browser acts on some of them by
 * itself: it repeats a POST after 408 (RFC 9110 §15.5.9) or 421 (§15.5.20), and hides 407.
 */
const hopStatuses: ReadonlySet<number> = new Set([407, 408, 421, 425, 426, 431])

/** 411 is one of them for a stream only, because only this service decides to send a body without a length. */
export function isHopStatus (status: number, isStreamed: boolean): boolean {
  return hopStatuses.has(status) || (status === 411 && isStreamed)
}

const failed = (error: AbortReason): UpstreamResult => ({ kind: 'failure', error })

function parseSuccess (response: UpstreamResponse, { mayBeEmpty, headers }: ResponseExpectation): UpstreamResult {
  const contentType = response.headers['content-type']
  const isJson = contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)
  const { body } = response
  const isEmpty = mayBeEmpty && body?.length === 0
  const value = isJson && !isEmpty && body !== undefined ? parseSuccessBody(body) : undefined
  if (response.containsAccessToken) return failed(leakProblem('unknown'))
  // A 2xx that arrived before the request was sent completely cannot be trusted.
  if (response.beforeRequestEnd || body === undefined || (value === undefined && !isEmpty)) {
    const detail = 'Procore reported success, but its response is invalid.'
    return failed(new Problem('procore_bad_response', detail, { outcome: 'unknown' }))
  }
  const success: UpstreamSuccess = {
    kind: 'success',
    status: response.status,
    contentType: contentType ?? 'application/json',
    body,
    recordId: getRecordId(value),
  }
  if (headers.length > 0) success.headers = pickHeaders(response.headers, headers)
  return success
}

function pickHeaders (headers: UpstreamResponse['headers'], names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    // RFC 9110 §5.3: repeated field lines form one list.
    if (value !== undefined) picked[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return picked
}

export function getRecordId (value: unknown): number | string | undefined {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined
  const isShortText = typeof id === 'string' && id.length <= limits.upstream.recordIdMaxLength
  return typeof id === 'number' || isShortText ? id : undefined
}

function leakProblem (outcome: Outcome): Problem {
  const detail = 'Procore\'s response contains the access token of this service, so it is not passed on.'
  return new Problem('procore_bad_response', detail, { outcome })
}

function unauthorizedProblem (isStreamed: boolean): Problem {
  if (isStreamed) {
    const detail = 'Procore refused the access token of this service while a form was being sent. Send the form again.'
    return new Problem('procore_unavailable', detail, { outcome: 'rejected', headers: { 'retry-after': '1' } })
  }
  const detail = 'Procore refused the access token of this service.'
  return new Problem('procore_unauthorized', detail, { outcome: 'rejected' })
}

export function rateLimitedProblem (durationMs: number): Problem {
  const headers = { 'retry-after': String(Math.ceil(durationMs / 1000)) }
  return new Problem('procore_rate_limited', 'Procore\'s rate limit is exhausted.', { outcome: 'rejected', headers })
}

/**
 * Builds the problem of a 3xx or 5xx response. Before the request was complete Procore cannot have acted. After that
 * only 503 with Retry-After states that it did not.
 */
function serverProblem ({ status, beforeRequestEnd }: UpstreamResponse, retryAfterMs: number | undefined): Problem {
  const isRefused = status === 503 && retryAfterMs !== undefined
  const outcome: Outcome = beforeRequestEnd ? 'not_sent' : isRefused ? 'rejected' : 'unknown'
  if (status === 503) {
    const headers = isRefused && { headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } }
    return new Problem('procore_unavailable', 'Procore is not available.', { outcome, ...headers })
  }
  if (status === 504) return new Problem('procore_timeout', 'Procore\'s gateway timed out.', { outcome })
  return new Problem('procore_bad_response', 'Procore sent a response that cannot be used.', { outcome })
}

/** A request that this side aborted fails with the reason: its form is not valid, its caller left, or a shutdown. */
function failureError ({ phase, requestSent, timedOut, aborted, cause }: ExchangeFailure): AbortReason {
  const outcome: Outcome = requestSent ? 'unknown' : 'not_sent'
  if (aborted && isAbortReason(cause)) return cause
  if (timedOut) return new Problem('procore_timeout', timeoutDetails[phase], { outcome, cause })
  if (phase === 'receive') {
    return new Problem('procore_bad_response', 'Procore\'s response was truncated.', { outcome, cause })
  }
  if (phase !== 'connect' && !isConnectionError(cause)) {
    return new Problem('procore_bad_response', 'Procore\'s response is not valid HTTP.', { outcome, cause })
  }
  return new Problem('procore_unreachable', connectionErrorDetails[phase], { outcome, cause })
}

/**
 * Whether the connection was lost, rather than undici being unable to parse the response. System errors have
 * `syscall` and `code`.
 */
function isConnectionError (cause: Error): boolean {
  const isSystemError = 'syscall' in cause && 'code' in cause
  return isSystemError || cause.name === 'SocketError' || cause.name === 'ClientDestroyedError'
}

/**
 * Returns the parsed body, or an empty object for a body that is too large to be parsed only for its id. Returns
 * undefined if it is not JSON. HTTP marks the end of a body, so the first and the last character show enough of a large
 * one.
 */
function parseSuccessBody (body: Buffer): unknown {
  if (body.length <= limits.upstream.parsedMaxBytes) return parseJson(body.toString('utf8'))
  const first = body.toString('latin1', 0, edgeLength).trimStart()[0]
  const last = body.toString('latin1', body.length - edgeLength).trimEnd().at(-1)
  return (first === '{' && last === '}') || (first === '[' && last === ']') ? {} : undefined
}

/** White space that may surround a large JSON text. */
const edgeLength = 64

function parseRejectionBody ({ body, headers }: UpstreamResponse): unknown {
  if (body === undefined || body.length === 0) return undefined
  const { rejectionMaxBytes, rejectionLevelsMax } = limits.upstream
  const value = body.length <= rejectionMaxBytes ? parseJson(body.toString('utf8')) : undefined
  if (value !== undefined) return hasLevels(value, rejectionLevelsMax) ? value : undefined
  const isText = headers['content-type']?.startsWith('text/plain') === true
  return isText ? body.toString('utf8', 0, rejectionTextMaxLength) : undefined
}

/** Whether objects and arrays are nested in at most so many levels. Deeper ones would exhaust the stack later. */
function hasLevels (value: unknown, levelsMax: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levelsMax > 0 && Object.values(value).every(member => hasLevels(member, levelsMax - 1))
}
