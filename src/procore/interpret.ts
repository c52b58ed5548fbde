/**
 * The one place that decides what an exchange, or a look-up after it, means for the caller: a success, a refusal of Procore's that the
 * caller may read, or a problem with the outcome of the create. It is pure: what was written and read goes in, the verdict comes out.
 */
import { Problem, type Outcome } from '../server/problem.ts'
import type { Answer, Breakdown, ExchangeResult } from './exchange.ts'
import { resetSeconds, retryAfterSeconds } from './http-dates.ts'
import type { Finding } from './recovery/lookup.ts'

/** What can be passed on: JSON, or nothing where that was expected. */
export interface Success {
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
  kept?: { lifetimeSeconds: number, ageSeconds: number, source: 'fetched' | 'kept' | 'stale' }
}

/** A 4xx that says something about the request; 401 and 429 do not. */
export interface Refusal {
  kind: 'refusal'
  status: number
  /** Parsed when it is JSON, else the text; nothing when there is none. */
  body: unknown
}

/** What Procore said that the caller may hear; everything else is a Problem. */
export type Verdict = Success | Refusal

/** What an answer has to be, to be one that can be passed on. */
export interface Expected {
  /** Whether a success may have no body, as a 202 or 204. */
  mayBeEmpty: boolean
  /** Headers of a success that belong to it. */
  headers: readonly string[]
}

/** A record or a list, whose headers say nothing that the caller needs. */
export const plainJson: Expected = { mayBeEmpty: false, headers: [] }

/** Text of a refusal that is not JSON, beyond which it is cut. */
const refusalTextMaxLength = 4096

/**
 * @param streamed the body flowed: it can't be repeated here after a 401, and a 411 is no fault of the caller's
 * @throws {Problem} whatever is neither a success nor a refusal, with its `outcome`
 */
export function judge (result: ExchangeResult, streamed: boolean, expected: Expected = plainJson): Verdict {
  if (result.kind === 'breakdown') throw breakdownProblem(result)
  const { status } = result
  if (status >= 200 && status < 300) return success(result, expected)
  if (status === 401) throw unauthorized(streamed)
  if (status === 429) throw rateLimited(result)
  if (status === 411 && streamed) {
    throw new Problem('procore_bad_response', 'Procore does not take streamed forms.', { outcome: 'rejected' })
  }
  if (status >= 400 && status < 500) return { kind: 'refusal', status, body: readRefusal(result) }
  throw serverProblem(result)
}

/**
 * What a look-up made of a create whose outcome nobody could tell: what it made, as Procore lists it.
 * @param unknown the problem that stands unless it was found
 * @throws {Problem} `unknown`, with what was looked at
 */
export function judgeFinding (finding: Finding, unknown: Problem): Success {
  if (finding.kind !== 'found') throw unknown.with({}, findingDetail[finding.kind])
  const { record } = finding
  return { kind: 'success', status: 201, contentType: 'application/json', body: Buffer.from(JSON.stringify(record)), recordId: recordIdOf(record), recovered: true }
}

const findingDetail = {
  absent: 'Procore was looked through, and has no such record.',
  other: 'Procore was looked through, and has a record of that name, but none that this request is sure to have made.',
  unread: 'Procore could not be looked through.',
} as const

function success (answer: Answer, { mayBeEmpty, headers }: Expected): Success {
  const contentType = answer.headers['content-type']
  const isJson = contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)
  const isEmpty = mayBeEmpty && answer.body.length === 0
  const value = isJson && !isEmpty ? parseJson(answer.body) : undefined
  if (answer.early || !isPlain(answer.headers['content-encoding']) || (value === undefined && !isEmpty)) {
    throw new Problem('procore_bad_response', 'Procore said that it did it, but its answer cannot be trusted.', { outcome: 'unknown' })
  }
  const verdict: Success = { kind: 'success', status: answer.status, contentType: contentType ?? 'application/json', body: answer.body, recordId: recordIdOf(value) }
  if (headers.length > 0) verdict.headers = pick(answer.headers, headers)
  return verdict
}

function pick (headers: Answer['headers'], names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    // RFC 9110 §5.3: several lines of one field are one list.
    if (value !== undefined) picked[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return picked
}

function isPlain (encoding: string | undefined): boolean {
  return encoding === undefined || encoding.trim().toLowerCase() === 'identity'
}

function recordIdOf (value: unknown): number | string | undefined {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined
  return typeof id === 'number' || typeof id === 'string' ? id : undefined
}

function unauthorized (streamed: boolean): Problem {
  if (streamed) {
    return new Problem('procore_unavailable', 'Procore refused the token of this service in the middle of a form; it is being renewed. Send the form again.',
      { outcome: 'rejected', headers: { 'retry-after': '1' } })
  }
  return new Problem('procore_unauthorized', 'Procore refuses the token of this service.', { outcome: 'rejected' })
}

/** Any 3xx, and 5xx. Before the body was complete Procore can't have acted; after it only 503 with Retry-After says that it did not. */
function serverProblem (answer: Answer): Problem {
  const { status } = answer
  const seconds = retryAfterSeconds(answer.headers, Date.now())
  const outcome: Outcome = answer.early ? 'not_sent' : status === 503 && seconds !== undefined ? 'rejected' : 'unknown'
  if (status === 503) return new Problem('procore_unavailable', 'Procore is not available.', { outcome, ...(seconds !== undefined && { headers: { 'retry-after': String(seconds) } }) })
  if (status === 504) return new Problem('procore_timeout', 'Procore did not answer its own gateway in time.', { outcome })
  return new Problem('procore_bad_response', 'Procore gave an answer that cannot be used.', { outcome })
}

function breakdownProblem ({ at, sent, timeout, cause }: Breakdown): Problem {
  const outcome: Outcome = sent ? 'unknown' : 'not_sent'
  if (timeout) return new Problem('procore_timeout', timeoutDetail[at], { outcome, cause })
  if (at === 'answer') return new Problem('procore_bad_response', 'The answer of Procore broke off.', { outcome, cause })
  if (at !== 'connect' && !isLoss(cause)) return new Problem('procore_bad_response', 'What Procore answered is not HTTP.', { outcome, cause })
  return new Problem('procore_unreachable', breakDetail[at], { outcome, cause })
}

const timeoutDetail = {
  connect: 'No connection to Procore came free in time.',
  request: 'Procore stopped reading the request.',
  wait: 'Procore did not answer in time.',
  answer: 'The answer of Procore did not end in time.',
} as const

const breakDetail = {
  connect: 'No connection to Procore could be made.',
  request: 'The connection to Procore was lost before the request was complete.',
  wait: 'The connection to Procore was lost before any answer.',
} as const

/** The connection was lost, as against an answer that undici could not read: those errors are of the system or of the socket. */
function isLoss (cause: Error): boolean {
  return cause.name === 'SocketError' || cause.name === 'ClientDestroyedError' || ('syscall' in cause && 'code' in cause)
}

/** For a 429 that does not say when to come again: the shorter of Procore's two windows. */
const shortWindowSeconds = 10

function rateLimited ({ headers }: Answer): Problem {
  const nowMs = Date.now()
  const seconds = Math.max(1, Math.ceil(retryAfterSeconds(headers, nowMs) ?? resetSeconds(headers, nowMs) ?? shortWindowSeconds))
  return new Problem('procore_rate_limited', 'Procore\'s allowance of requests is spent.', { outcome: 'rejected', headers: { 'retry-after': String(seconds) } })
}

function readRefusal ({ body, headers }: Answer): unknown {
  if (body.length === 0) return undefined
  return parseJson(body) ?? (headers['content-type']?.startsWith('text/plain') === true ? body.toString('utf8').slice(0, refusalTextMaxLength) : undefined)
}

function parseJson (body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
