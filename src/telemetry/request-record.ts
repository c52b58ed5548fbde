/**
 * The record of one request: what happened to it, from which its log line, metrics and spans are made. It holds ids,
 * codes, sizes, times and states, and of personal data only the caller's subject and address. Credentials are never put
 * in it, so they cannot reach a log.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Outcome, ProblemCode } from '../server/problem.ts'
import type { AuthFailure } from './auth-failure.ts'
import type { FileHostKind, SpanRecord } from './spans.ts'
import { parseTraceparent } from './trace-context.ts'

/** What became of a request that may have changed something: an outcome of a failure, or the kind of success. */
export type ChangeOutcome = Outcome | 'created' | 'changed' | 'recovered' | 'replayed'

/** What became of the rows of an import. */
export const importRowStatuses = [
  'created', 'updated', 'invalid', 'rejected', 'unknown', 'not_sent', 'unchanged',
] as const
export type ImportRowStatus = typeof importRowStatuses[number]

/**
 * How a cacheable response was obtained (compare RFC 9211): from Procore, from the cache, or from the cache although
 * too old.
 */
export type CacheStatus = 'miss' | 'hit' | 'stale'

/** Whether a form was buffered and sent whole, or streamed. */
export type BodyMode = 'buffered' | 'streamed'

/** What the requests to Procore that belong together took and returned. Times are in milliseconds. */
export interface UpstreamRecord {
  requestId: string
  traceId?: string
  /** Name of the endpoint, for a request that may go on in the background. */
  operation?: string
  /** Present only while tracing is on. */
  spans?: SpanRecord[]
  companyId?: number
  /** Time spent waiting for Procore's rate limit. */
  rateLimitWaitMs?: number
  upstreamMs?: number
  upstreamStatus?: number
  /** Waits for the heads of the responses to the requests for a file. */
  fileMs?: number
  /** Status of the last of these responses. */
  fileStatus?: number
  /** The last host that was asked for the file. Its name is not recorded, because Procore chooses it. */
  fileHost?: FileHostKind
  /** Sent to the caller as the header `procore-request-id`. */
  procoreRequestId?: string
}

/** One for each request of a caller. It is written until the request ends, and frozen then. Sizes are in bytes. */
export interface RequestRecord extends UpstreamRecord {
  bytesIn?: number
  code?: ProblemCode
  outcome?: ChangeOutcome
  /** Lists that were read for a create with an unknown outcome, or one that Procore rejected as a duplicate. */
  lookupCount?: number
  /** The response to an earlier request with the same idempotency key was sent again. */
  replayed?: true
  bodyMode?: BodyMode
  errorCount?: number
  authFailure?: AuthFailure
  /** `sub` of the JWT. For the access log. */
  subject?: string
  /** Address of the caller: the peer, or the one that a trusted proxy reports. For the access log. */
  address?: string
  cache?: CacheStatus
  /** Rows of an import, by what became of them. */
  importRows?: Readonly<Record<ImportRowStatus, number>>
  /** A request of a monitor for the state of the service. */
  isProbe?: true
  /** The response ends only when its reader disconnects, so its duration says nothing. */
  isEventStream?: true
}

/** Returns the record of a request when tracing is off. Its trace id is that of the gateway, for the log. */
export function createRecord ({ id, headers }: FastifyRequest): RequestRecord {
  const traceId = parseTraceparent(headers)?.traceId
  return traceId === undefined ? { requestId: id } : { requestId: id, traceId }
}

/**
 * Returns a record for a request that is made on behalf of another one. It has times and statuses of its own, and the
 * spans of the parent.
 */
export function childRecord ({ requestId, traceId, spans, companyId }: UpstreamRecord): UpstreamRecord {
  return {
    requestId,
    ...(traceId !== undefined && { traceId }),
    ...(spans !== undefined && { spans }),
    ...(companyId !== undefined && { companyId }),
  }
}

/** Adds the result of a request to Procore to the record of the request that waited for it. */
export function addUpstreamRecord (record: UpstreamRecord, added: UpstreamRecord): void {
  const { upstreamMs, upstreamStatus, rateLimitWaitMs, procoreRequestId, spans } = added
  if (upstreamMs !== undefined) record.upstreamMs = upstreamMs
  if (upstreamStatus !== undefined) record.upstreamStatus = upstreamStatus
  if (rateLimitWaitMs !== undefined) record.rateLimitWaitMs = rateLimitWaitMs
  if (procoreRequestId !== undefined) record.procoreRequestId = procoreRequestId
  if (spans !== undefined) record.spans?.push(...spans)
}

/** A request that ended. Its record is complete. */
export interface RequestEnd {
  record: RequestRecord
  request: FastifyRequest
  reply: FastifyReply
  /** Status of the response, or 499 if the caller disconnected before its end. */
  status: number
  /**
   * Pattern of the route; absent if none matched. It is read once for all listeners, since `routeOptions` creates an
   * object each time.
   */
  route: string | undefined
}

/** Is notified of the end of requests. */
export interface RequestEndListener {
  onRequestEnd (requestEnd: RequestEnd): void
  /** Called at the end of a request to Procore for which no caller waited any longer. */
  onBackgroundEnd? (record: UpstreamRecord): void
}

/** A request that could not be parsed, so it has neither a route nor a record. */
export interface UnparsedRequest {
  /** `none` if the method could not be parsed either. */
  method: string
  status: number
  code: ProblemCode
  requestId: string
}
