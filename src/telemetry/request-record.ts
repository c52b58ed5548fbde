/**
 * The record of one request: what happened to it, from which its log line, metrics and spans are made, and the state
 * that the code working on it shares. It holds ids, codes, sizes, times and states only. Personal data and credentials
 * are never put in it, so they cannot reach a log.
 */
import type { Outcome, ProblemCode } from '../server/problem.ts'
import type { SpanRecord } from './spans.ts'

/** What became of a request that may have changed something: an outcome of a failure, or the kind of success. */
export type ChangeOutcome = Outcome | 'created' | 'changed' | 'recovered' | 'replayed'

/**
 * How a cacheable response was obtained (compare RFC 9211): from Procore, from the cache, or from the cache although
 * too old.
 */
export type CacheStatus = 'miss' | 'hit' | 'stale'

/** Whether a form was buffered and sent whole, or streamed. */
export type BodyMode = 'buffered' | 'streamed'

/** What happened to a request. Times are in milliseconds, sizes in bytes. */
interface RequestTelemetry {
  /** Absent for lookups, which are part of another request. */
  requestId?: string
  traceId?: string
  /** Present only while tracing is on. */
  spans?: SpanRecord[]
  companyId?: number
  bytesIn?: number
  /** Time spent waiting for Procore's rate limit. */
  rateLimitWaitMs?: number
  upstreamMs?: number
  /** When the last byte of a request was handed to the socket, by the local clock. */
  sentAtMs?: number
  upstreamStatus?: number
  /** Sent to the caller as the header `procore-request-id`. */
  procoreRequestId?: string
  code?: ProblemCode
  outcome?: ChangeOutcome
  /** Lookups made for a create with an unknown outcome. */
  lookupCount?: number
  /** The response to an earlier request with the same idempotency key was sent again. */
  replayed?: true
  bodyMode?: BodyMode
  errorCount?: number
  cache?: CacheStatus
  /** The response ends only when its reader disconnects, so its duration says nothing. */
  isEventStream?: true
}

/** The state of a request, shared by the code that works on it. */
interface RequestState {
  /**
   * The outcome that a create or a change would have if it ended now: absent until the request is valid, then
   * `not_sent`, then `unknown` once a complete request was handed to the socket. It returns to `not_sent` only if
   * Procore certainly did not act.
   */
  provisionalOutcome?: Outcome
  /** Index among the requests in flight. */
  slot?: number
  /** The handler is still working on the request; `onHandled` listeners are called when it ends. */
  isHandling?: boolean
  onHandled?: Array<() => void>
  /** The request was answered while it was still being handled: nothing of it may become complete any more. */
  isAborted?: true
  onAborted?: () => void
}

/** One for each request, from its first hook until its end was recorded. */
export interface RequestRecord extends RequestTelemetry, RequestState {}

/**
 * Returns a record for a request that is made on behalf of another one. It has times and statuses of its own, and the
 * spans of the parent.
 */
export function childRecord ({ requestId, traceId, spans }: RequestRecord): RequestRecord {
  return {
    ...(requestId !== undefined && { requestId }),
    ...(traceId !== undefined && { traceId }),
    ...(spans !== undefined && { spans }),
  }
}
