/** The result of a request to Procore, as a value that travels from the exchange up to the route. */
import type { AbortReason } from '../server/abort.ts'
import type { ExistingRecord } from '../server/problem.ts'
import type { CacheStatus } from '../telemetry/request-record.ts'

/** A response that can be relayed: JSON, or an empty body where one is expected. */
export interface UpstreamSuccess {
  kind: 'success'
  status: number
  contentType: string
  /** The bytes from Procore; if `recovered`, the record as Procore lists it. */
  body: Buffer
  /** The expected headers that were present, by name in lower case. */
  headers?: Readonly<Record<string, string>>
  /** The body that is stored for an idempotency key, if the whole one would be too large. */
  replayBody?: Buffer
  /** How many rows of a list were carried out, were rejected, or have an unknown outcome. */
  rowCounts?: Readonly<Record<string, number>>
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
  /** The response has a Retry-After: it is about the moment, not about the request. */
  hasRetryAfter?: true
  /** The record because of which the request was rejected may be its own, but could not be looked up. */
  lookupFailed?: true
  /** The record because of which a create was rejected. It is only for callers that may show it. */
  existing?: ExistingRecord
}

/** A response that may be relayed to the caller. */
export type RelayedResult = UpstreamSuccess | UpstreamRejection

/** No response that may be relayed. The problem of a create or change has its `outcome`. */
export interface UpstreamFailure {
  kind: 'failure'
  error: AbortReason
}

export type UpstreamResult = RelayedResult | UpstreamFailure
