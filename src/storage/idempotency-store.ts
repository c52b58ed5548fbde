/**
 * Defines the store of idempotency keys and its records. Implementations use the memory of this process, Redis, or
 * both.
 */
import type { ProblemCode } from '../server/problem.ts'
import type { RelayedResult } from '../procore/result.ts'

/** The request has completed. Every repeat receives this result. */
export interface CompletedRecord {
  state: 'answered'
  /** Fingerprint of the request: a different request with the same key is rejected. */
  fingerprint: string
  result: RelayedResult
  procoreRequestId: string | undefined
  /** Time of the request, by the clock of the replica that sent it. */
  sentAtMs: number
  /** Time of the response. */
  answeredAtMs?: number | undefined
}

/** The create may have happened. A repeat with this key looks it up, and never creates again. */
export interface IndeterminateRecord {
  state: 'unknown'
  /** Empty if the request was not read completely. */
  fingerprint: string
  /** Time of the request, by the clock of the replica that determined it. */
  sentAtMs: number
  /** Time of Procore's answer, which did not state the outcome; absent if there was none. */
  answeredAtMs?: number | undefined
  code: ProblemCode
}

/**
 * Returns what stays of a record whose response is too large to be stored. A repeat of a success is looked up; a repeat
 * of a rejection is rejected without Procore's messages.
 */
export function withoutResponse (record: CompletedRecord): CompletedRecord | IndeterminateRecord {
  const { result, fingerprint, sentAtMs, answeredAtMs } = record
  if (result.kind === 'rejection') return { ...record, result: { ...result, body: undefined } }
  return { state: 'unknown', fingerprint, sentAtMs, answeredAtMs, code: 'procore_bad_response' }
}

/** Record of a key that is in use. */
export type IdempotencyRecord = { state: 'running' } | CompletedRecord | IndeterminateRecord

/**
 * Ids are hashes of idempotency key and scope, so a store contains neither keys nor callers. Records expire after
 * `limits.idempotency.ttlMs`.
 */
export interface IdempotencyStore {
  /**
   * Claims a free key and returns undefined. If the key is in use, returns its record instead.
   * @param fingerprint undefined if the body is not complete yet
   */
  claim (id: string, fingerprint: string | undefined): Promise<IdempotencyRecord | undefined>
  /** Adds the fingerprint of the request that claimed the key, once it is known. */
  setFingerprint (id: string, fingerprint: string): Promise<void>
  /**
   * Records how the request that claimed the key ended.
   * @param callerId the caller in whose share of the memory the record is; empty if callers cannot be distinguished
   */
  settle (id: string, record: CompletedRecord | IndeterminateRecord, callerId: string): Promise<void>
  /** Frees the key. Must only be called if nothing was created, for certain. */
  release (id: string): Promise<void>
}
