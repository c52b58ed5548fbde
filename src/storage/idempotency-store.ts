/**
 * What is remembered of requests that carried an Idempotency-Key, as the mirror asks for it. Where it is kept, in this process or
 * in a store that replicas share, is behind this interface.
 */
import type { ProblemCode } from '../server/problem.ts'
import type { UpstreamResult } from '../procore/interpret.ts'

/** Procore answered, and this is the answer that every repeat is given. */
export interface CompletedRecord {
  state: 'answered'
  /** Of the request, so that another one under the same key is told apart. */
  fingerprint: string
  result: UpstreamResult
  procoreRequestId: string | undefined
}

/** The create may have happened: under this key it is looked up, and never made again. */
export interface IndeterminateRecord {
  state: 'unknown'
  /** Empty when the request was not read to its end. */
  fingerprint: string
  /** By the clock of whoever asks. */
  sentAtMs: number
  code: ProblemCode
}

/** What stands under a key that is taken. */
export type IdempotencyRecord = { state: 'running' } | CompletedRecord | IndeterminateRecord

/** Ids are hashes of key and scope: a store sees neither a key nor a caller. Whatever it holds ends by itself (`keyLifetimeMs`). */
export interface IdempotencyStore {
  /** Takes a key that is free, and tells nothing; or tells what stands under it. */
  claim (id: string): Promise<IdempotencyRecord | undefined>
  /** Writes how the request ended that holds the key. */
  settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void>
  /** Makes the key free again: certainly nothing was created. */
  release (id: string): Promise<void>
}
