/**
 * Defines the store of imports and its records: which companies have an import in progress, and for an import with an
 * idempotency key the batches of rows that were, or may have been, sent. Implementations use the memory of this process
 * or Redis.
 */
import type { SyncRowResult } from '../procore/sync-result.ts'

/** A batch of rows. It is stored before it is sent, and again when its result is known. */
export interface ImportBatch {
  /** Numbers of its rows in the file, ascending. */
  rows: readonly number[]
  /** Ids of the people that the rows update; null for a new person. */
  ids: ReadonlyArray<number | null>
  /** Hash of its rows. With another file, the idempotency key must not be used again. */
  fingerprint: string
  /** When it was sent for the first time, by the monotonic clock. */
  sentAtMs: number
  /** In the order of `rows`; undefined while Procore's response is not known. */
  results: readonly SyncRowResult[] | undefined
}

/** What distinguishes an import from another one with the same idempotency key. It is stored before any batch. */
export interface ImportIdentity {
  mode: 'create' | 'upsert'
  /** Digests of the blocks of its file; undefined before the whole file was read. */
  digests: readonly string[] | undefined
}

/** The right to import into a company, for one import at a time. */
export interface ImportLease {
  /** Aborts if another replica may have taken the company, because this one could not renew its lease in time. */
  readonly signal: AbortSignal
  /** Returns the identity of an earlier import with the same id, or undefined. */
  loadIdentity (importId: string): Promise<ImportIdentity | undefined>
  /** @throws {Problem} `overloaded`, if it cannot be stored */
  saveIdentity (importId: string, identity: ImportIdentity): Promise<void>
  /** Returns a batch of an earlier import with the same id, or undefined. Batches are numbered from 0. */
  load (importId: string, index: number): Promise<ImportBatch | undefined>
  /**
   * Stores a batch. When this resolves, another replica can load it if Redis is used.
   * @throws {Problem} `overloaded`, if it cannot be stored
   */
  save (importId: string, index: number, batch: ImportBatch): Promise<void>
  /**
   * Removes a batch that was stored and not sent, so that a repeat of the import does not wait until Procore has
   * processed it.
   * @throws {Problem} `overloaded`, if it cannot be removed
   */
  remove (importId: string, index: number): Promise<void>
  /** Must be called once, at the end of the import. Never rejects. */
  release (): Promise<void>
}

/** Batches expire `limits.idempotency.ttlMs` after the last one was stored. */
export interface ImportStore {
  /**
   * Returns undefined if an import into the company is in progress.
   * @throws {Problem} `overloaded`, if the store cannot be reached
   */
  lease (companyId: number): Promise<ImportLease | undefined>
}
