/**
 * Classifies an exchange, or a lookup after it, for the caller: a success, a rejection by Procore that the caller may
 * read, or a problem with the outcome of the create. `unknown` begins when `send.ts` hands the
 * last byte to the socket.
 */
import { Problem, type Outcome } from '../server/problem.ts'
import type { CacheStatus } from '../telemetry/request-record.ts'
import type { UpstreamResponse, ExchangeFailure, ExchangeResult } from './exchange.ts'
import { rateLimitResetSeconds, retryAfterSeconds } from './http-dates.ts'
import { lookupDetails, timeoutDetails, connectionErrorDetails } from './problem-details.ts'
import { shortWindowSeconds } from './rate-limit/headers.ts'
import type { LookupResult } from './recovery/lookup.ts'

/** A response that can be relayed: JSON, or an empty body where one is expected. */
export interface UpstreamSuccess {
  kind: 'success'
  status: number
  contentType: string
  /** The bytes from Procore; if `recovered`, the record as Procore lists it. */
  body: Buffer
  /** The expected headers that were present, by name in lower case. */
  headers?: Readonly<Record<string, string>>
  /** The `id` of the record in the body. */
  recordId: number | string | undefined
  /** The response was lost, and a lookup found the record. */
  recovered?: true
  /** Strong validator of a body that this service built: it changes with every byte (RFC 9110 §8.8.3). */
  etag?: string
  /**
   * Present if the response may be cached: for how long, and its age. It may be older than its lifetime if Procore was
   * not available.
   */
  cacheInfo?: { lifetimeSeconds: number, ageSeconds: number, cacheStatus: CacheStatus }
}

/** A 4xx response about the caller's request. 401 and 429 concern this service's credentials and quota instead. */
export interface UpstreamRejection {
  kind: 'rejection'
  status: number
  /** Parsed if it is JSON, else plain text; undefined if there is neither. */
  body: unknown
}

/** A response that may be relayed to the caller; everything else is a Problem. */
export type UpstreamResult = UpstreamSuccess | UpstreamRejection

/** What a successful response must look like to be relayed. */
export interface ResponseExpectation {
  /** Whether the body may be empty, as in a 202 or 204. */
  mayBeEmpty: boolean
  /** Headers to relay with it, in lower case. */
  headers: readonly string[]
}

/** A record or a list, without headers that the caller needs. */
export const expectJson: ResponseExpectation = { mayBeEmpty: false, headers: [] }

/** A rejection that is plain text is truncated to this length. */
const rejectionTextMaxLength = 4096

/**
 * @param isStreamed the body was streamed: it could not be sent again after a 401, and a 411 is not the caller's error
 * @throws {Problem} with its `outcome`, if the result is neither a success nor a rejection
 */
export function interpretExchange (
  result: ExchangeResult,
  isStreamed: boolean,
  expectation: ResponseExpectation = expectJson
): UpstreamResult {
  if (result.kind === 'failure') throw failureProblem(result)
  const { status } = result
  if (status >= 200 && status < 300) return parseSuccess(result, expectation)
  if (status === 401) throw unauthorizedProblem(isStreamed)
  if (status === 429) throw rateLimitedProblem(result)
  if (status === 411 && isStreamed) {
    throw new Problem('procore_bad_response', 'Procore does not accept streamed forms.', { outcome: 'rejected' })
  }
  if (status >= 400 && status < 500) return { kind: 'rejection', status, body: parseRejectionBody(result) }
  throw serverProblem(result)
}

/**
 * Returns the record that a lookup found after a create with an unknown outcome, as Procore lists it.
 * @param unknownProblem thrown with the result of the lookup added, if no record was found
 * @throws {Problem} `unknown`
 */
export function interpretLookup (lookupResult: LookupResult, unknownProblem: Problem): UpstreamSuccess {
  if (lookupResult.kind !== 'found') throw unknownProblem.withExtras({}, lookupDetails[lookupResult.kind])
  const { record } = lookupResult
  return {
    kind: 'success',
    status: 201,
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(record)),
    recordId: getRecordId(record),
    recovered: true,
  }
}

function parseSuccess (response: UpstreamResponse, { mayBeEmpty, headers }: ResponseExpectation): UpstreamSuccess {
  const contentType = response.headers['content-type']
  const isJson = contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)
  const isEmpty = mayBeEmpty && response.body.length === 0
  const value = isJson && !isEmpty ? parseJson(response.body) : undefined
  const isReadable = isUncompressed(response.headers['content-encoding']) && (value !== undefined || isEmpty)
  // A 2xx that arrived before the request was sent completely cannot be trusted.
  if (response.beforeRequestEnd || !isReadable) {
    const detail = 'Procore reported success, but its response is invalid.'
    throw new Problem('procore_bad_response', detail, { outcome: 'unknown' })
  }
  const success: UpstreamSuccess = {
    kind: 'success',
    status: response.status,
    contentType: contentType ?? 'application/json',
    body: response.body,
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

function isUncompressed (encoding: string | undefined): boolean {
  return encoding === undefined || encoding.trim().toLowerCase() === 'identity'
}

function getRecordId (value: unknown): number | string | undefined {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined
  return typeof id === 'number' || typeof id === 'string' ? id : undefined
}

function unauthorizedProblem (isStreamed: boolean): Problem {
  if (isStreamed) {
    const detail = 'Procore refused the access token of this service while a form was being sent. Send the form again.'
    return new Problem('procore_unavailable', detail, { outcome: 'rejected', headers: { 'retry-after': '1' } })
  }
  const detail = 'Procore refused the access token of this service.'
  return new Problem('procore_unauthorized', detail, { outcome: 'rejected' })
}

/**
 * Builds the problem of a 3xx or 5xx response. Before the request was complete Procore cannot have acted. After that
 * only 503 with Retry-After states that it did not.
 */
function serverProblem (response: UpstreamResponse): Problem {
  const { status } = response
  const seconds = retryAfterSeconds(response.headers, Date.now())
  const outcome = serverErrorOutcome(response, seconds)
  if (status === 503) {
    const headers = seconds !== undefined && { headers: { 'retry-after': String(seconds) } }
    return new Problem('procore_unavailable', 'Procore is not available.', { outcome, ...headers })
  }
  if (status === 504) {
    return new Problem('procore_timeout', 'Procore\'s gateway timed out.', { outcome })
  }
  return new Problem('procore_bad_response', 'Procore sent a response that cannot be used.', { outcome })
}

function serverErrorOutcome ({ status, beforeRequestEnd }: UpstreamResponse, retryAfter: number | undefined): Outcome {
  if (beforeRequestEnd) return 'not_sent'
  return status === 503 && retryAfter !== undefined ? 'rejected' : 'unknown'
}

function failureProblem ({ phase, requestSent, timedOut, cause }: ExchangeFailure): Problem {
  const outcome: Outcome = requestSent ? 'unknown' : 'not_sent'
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

function rateLimitedProblem ({ headers }: UpstreamResponse): Problem {
  const nowMs = Date.now()
  const seconds = retryAfterSeconds(headers, nowMs) ?? rateLimitResetSeconds(headers, nowMs) ?? shortWindowSeconds
  const retryAfter = String(Math.max(1, Math.ceil(seconds)))
  return new Problem('procore_rate_limited', 'Procore\'s rate limit is exhausted.', {
    outcome: 'rejected', headers: { 'retry-after': retryAfter },
  })
}

function parseRejectionBody ({ body, headers }: UpstreamResponse): unknown {
  if (body.length === 0) return undefined
  const isText = headers['content-type']?.startsWith('text/plain') === true
  return parseJson(body) ?? (isText ? body.toString('utf8').slice(0, rejectionTextMaxLength) : undefined)
}

function parseJson (body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
