/** Stores idempotency keys in the memory of this process. Number, bytes and lifetime are limited. */
import { limits } from '../config/limits.ts'
import { evictOldest } from '../util/evict-oldest.ts'
import type { CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord } from './idempotency-store.ts'

interface Entry {
  record: IdempotencyRecord
  bytes: number
  expiresAtMs: number
}

/** Approximate size of an entry without its response. */
const recordOverheadBytes = 500

/**
 * Holds at most `limits.idempotency.keysMax` keys and `limits.idempotency.maxBytes` of responses, each for
 * `limits.idempotency.ttlMs`. Beyond that, the entries that were settled first are evicted. No method rejects.
 */
export class MemoryIdempotencyStore implements IdempotencyStore {
  /** In the order in which they were settled, or claimed if they are still running. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0
  #nextSweepAtMs = 0

  /** Returns the record of a key without claiming it. */
  peek (id: string): IdempotencyRecord | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    return entry.record.state === 'running' || entry.expiresAtMs > Date.now() ? entry.record : undefined
  }

  async claim (id: string): Promise<IdempotencyRecord | undefined> {
    const found = this.peek(id)
    if (found !== undefined) return found
    this.#set(id, { state: 'running' }, 0)
    return undefined
  }

  async settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void> {
    this.#set(id, record, record.state === 'answered' ? responseSize(record.result) : 0)
  }

  async release (id: string): Promise<void> {
    this.#remove(id)
  }

  #set (id: string, record: IdempotencyRecord, responseBytes: number): void {
    this.#remove(id)
    const nowMs = Date.now()
    const bytes = recordOverheadBytes + responseBytes
    this.#entries.set(id, { record, bytes, expiresAtMs: nowMs + limits.idempotency.ttlMs })
    this.#bytes += bytes
    if (nowMs >= this.#nextSweepAtMs) this.#sweep(nowMs)
    evictOldest(this.#entries, () => this.#usage(), oldestId => this.#evict(oldestId))
  }

  /** Returns the share of the limits that is in use; above 1 entries are evicted. */
  #usage (): number {
    const { keysMax, maxBytes } = limits.idempotency
    return Math.max(this.#entries.size / keysMax, this.#bytes / maxBytes)
  }

  /** Removes expired entries. `peek` ignores them already, so an occasional sweep is enough. */
  #sweep (nowMs: number): void {
    this.#nextSweepAtMs = nowMs + limits.idempotency.sweepMs
    for (const [id, { expiresAtMs }] of this.#entries) {
      if (expiresAtMs > nowMs) return
      this.#evict(id)
    }
  }

  /** Running entries are never evicted. The requests in flight limit their number. */
  #evict (id: string): void {
    if (this.#entries.get(id)?.record.state !== 'running') this.#remove(id)
  }

  #remove (id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#bytes -= entry.bytes
    this.#entries.delete(id)
  }
}

function responseSize (result: CompletedRecord['result']): number {
  return result.kind === 'success' ? result.body.length : Buffer.byteLength(JSON.stringify(result.body) ?? '')
}
