/**
 * The one place that decides what an exchange, or a look-up after it, means for the caller: a success, a refusal of Procore's that the
 * caller may read, or a problem with the outcome of the create. It is pure: what was written and read goes in, the verdict comes out.
 */
import { Problem, type Outcome } from '../server/problem.ts'
import type { CacheStatus } from '../telemetry/request-record.ts'
import type { UpstreamResponse, ExchangeFailure, ExchangeResult } from './exchange.ts'
import { rateLimitResetSeconds, retryAfterSeconds } from './http-dates.ts'
import { lookupDetails, timeoutDetails, connectionErrorDetails } from './problem-details.ts'
import type { LookupResult } from './recovery/lookup.ts'

/** What can be passed on: JSON, or nothing where that was expected. */
export interface UpstreamSuccess {
  kind: 'success'
  status: number
  contentType: string
  /** As Procore wrote it; of what was recovered, the record as it lists it. */
  body: Buffer
  /** Of those that were asked for, which came, by name in lower case. */
  headers?: Readonly<Record<string, string>>
  /** The `id` of the record in it. */
  recordId: number | string | undefined
  /** Its answer was lost, and the look-up found what it made. */
  recovered?: true
  /** Of what was made here: changes with every byte (RFC 9110 §8.8.3). */
  etag?: string
  /** Of what may be kept: for how long, and how old it is. Too old: Procore could not be asked. */
  cacheInfo?: { lifetimeSeconds: number, ageSeconds: number, cacheStatus: CacheStatus }
}

/** A 4xx that says something about the request; 401 and 429 do not. */
export interface UpstreamRejection {
  kind: 'rejection'
  status: number
  /** Parsed when it is JSON, else the text; nothing when there is none. */
  body: unknown
}

/** What Procore said that the caller may hear; everything else is a Problem. */
export type UpstreamResult = UpstreamSuccess | UpstreamRejection

/** What an answer has to be, to be one that can be passed on. */
export interface ResponseExpectation {
  /** Whether a success may have no body, as a 202 or 204. */
  mayBeEmpty: boolean
  /** Headers of a success that belong to it. */
  headers: readonly string[]
}

/** A record or a list, whose headers say nothing that the caller needs. */
export const expectJson: ResponseExpectation = { mayBeEmpty: false, headers: [] }

/** Text of a refusal that is not JSON, beyond which it is cut. */
const rejectionTextMaxLength = 4096

/**
 * @param isStreamed the body flowed: it can't be repeated here after a 401, and a 411 is no fault of the caller's
 * @throws {Problem} whatever is neither a success nor a refusal, with its `outcome`
 */
export function interpretExchange (result: ExchangeResult, isStreamed: boolean, expectation: ResponseExpectation = expectJson): UpstreamResult {
  if (result.kind === 'failure') throw failureProblem(result)
  const { status } = result
  if (status >= 200 && status < 300) return parseSuccess(result, expectation)
  if (status === 401) throw unauthorizedProblem(isStreamed)
  if (status === 429) throw rateLimitedProblem(result)
  if (status === 411 && isStreamed) {
    throw new Problem('procore_bad_response', 'Procore does not take streamed forms.', { outcome: 'rejected' })
  }
  if (status >= 400 && status < 500) return { kind: 'rejection', status, body: parseRejectionBody(result) }
  throw serverProblem(result)
}

/**
 * What a look-up made of a create whose outcome nobody could tell: what it made, as Procore lists it.
 * @param unknownProblem the problem that stands unless it was found
 * @throws {Problem} `unknown`, with what was looked at
 */
export function interpretLookup (lookupResult: LookupResult, unknownProblem: Problem): UpstreamSuccess {
  if (lookupResult.kind !== 'found') throw unknownProblem.withExtras({}, lookupDetails[lookupResult.kind])
  const { record } = lookupResult
  return { kind: 'success', status: 201, contentType: 'application/json', body: Buffer.from(JSON.stringify(record)), recordId: getRecordId(record), recovered: true }
}

function parseSuccess (response: UpstreamResponse, { mayBeEmpty, headers }: ResponseExpectation): UpstreamSuccess {
  const contentType = response.headers['content-type']
  const isJson = contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)
  const isEmpty = mayBeEmpty && response.body.length === 0
  const value = isJson && !isEmpty ? parseJson(response.body) : undefined
  if (response.beforeRequestEnd || !isUncompressed(response.headers['content-encoding']) || (value === undefined && !isEmpty)) {
    throw new Problem('procore_bad_response', 'Procore said that it did it, but its answer cannot be trusted.', { outcome: 'unknown' })
  }
  const success: UpstreamSuccess = { kind: 'success', status: response.status, contentType: contentType ?? 'application/json', body: response.body, recordId: getRecordId(value) }
  if (headers.length > 0) success.headers = pickHeaders(response.headers, headers)
  return success
}

function pickHeaders (headers: UpstreamResponse['headers'], names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    // RFC 9110 §5.3: several lines of one field are one list.
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
    return new Problem('procore_unavailable', 'Procore refused the token of this service in the middle of a form; it is being renewed. Send the form again.',
      { outcome: 'rejected', headers: { 'retry-after': '1' } })
  }
  return new Problem('procore_unauthorized', 'Procore refuses the token of this service.', { outcome: 'rejected' })
}

/** Any 3xx, and 5xx. Before the body was complete Procore can't have acted; after it only 503 with Retry-After says that it did not. */
function serverProblem (response: UpstreamResponse): Problem {
  const { status } = response
  const seconds = retryAfterSeconds(response.headers, Date.now())
  const outcome: Outcome = response.beforeRequestEnd ? 'not_sent' : status === 503 && seconds !== undefined ? 'rejected' : 'unknown'
  if (status === 503) return new Problem('procore_unavailable', 'Procore is not available.', { outcome, ...(seconds !== undefined && { headers: { 'retry-after': String(seconds) } }) })
  if (status === 504) return new Problem('procore_timeout', 'Procore did not answer its own gateway in time.', { outcome })
  return new Problem('procore_bad_response', 'Procore gave an answer that cannot be used.', { outcome })
}

function failureProblem ({ phase, requestSent, timedOut, cause }: ExchangeFailure): Problem {
  const outcome: Outcome = requestSent ? 'unknown' : 'not_sent'
  if (timedOut) return new Problem('procore_timeout', timeoutDetails[phase], { outcome, cause })
  if (phase === 'receive') return new Problem('procore_bad_response', 'The answer of Procore broke off.', { outcome, cause })
  if (phase !== 'connect' && !isConnectionError(cause)) return new Problem('procore_bad_response', 'What Procore answered is not HTTP.', { outcome, cause })
  return new Problem('procore_unreachable', connectionErrorDetails[phase], { outcome, cause })
}

/** The connection was lost, as against an answer that undici could not read: those errors are of the system or of the socket. */
function isConnectionError (cause: Error): boolean {
  return cause.name === 'SocketError' || cause.name === 'ClientDestroyedError' || ('syscall' in cause && 'code' in cause)
}

/** For a 429 that does not say when to come again: the shorter of Procore's two windows. */
const shortWindowSeconds = 10

function rateLimitedProblem ({ headers }: UpstreamResponse): Problem {
  const nowMs = Date.now()
  const seconds = Math.max(1, Math.ceil(retryAfterSeconds(headers, nowMs) ?? rateLimitResetSeconds(headers, nowMs) ?? shortWindowSeconds))
  return new Problem('procore_rate_limited', 'Procore\'s allowance of requests is spent.', { outcome: 'rejected', headers: { 'retry-after': String(seconds) } })
}

function parseRejectionBody ({ body, headers }: UpstreamResponse): unknown {
  if (body.length === 0) return undefined
  return parseJson(body) ?? (headers['content-type']?.startsWith('text/plain') === true ? body.toString('utf8').slice(0, rejectionTextMaxLength) : undefined)
}

function parseJson (body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
