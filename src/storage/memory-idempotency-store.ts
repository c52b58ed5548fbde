/**
 * Idempotency keys in the memory of this process, bounded in number, bytes and time; the oldest that are settled go first.
 * It knows nothing of other replicas, and of what is kept only its size.
 */
import { limits } from '../config/limits.ts'
import { evictOldest } from '../util/evict-oldest.ts'
import type { CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord } from './idempotency-store.ts'

interface Entry {
  record: IdempotencyRecord
  bytes: number
  expiresAtMs: number
}

/** What a key takes beside its answer, roughly. */
const recordOverheadBytes = 500

/** At most `limits.idempotency.keysMax` with `limits.idempotency.maxBytes` of answers, each for `limits.idempotency.ttlMs`. No call of it fails. */
export class MemoryIdempotencyStore implements IdempotencyStore {
  /** In the order in which they were settled; running ones stand where they were claimed. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0
  #nextSweepAtMs = 0

  /** What stands under a key, without taking it. */
  peek (id: string): IdempotencyRecord | undefined {
    const entry = this.#entries.get(id)
    return entry !== undefined && (entry.record.state === 'running' || entry.expiresAtMs > Date.now()) ? entry.record : undefined
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
    evictOldest(this.#entries, () => Math.max(this.#entries.size / limits.idempotency.keysMax, this.#bytes / limits.idempotency.maxBytes), oldest => this.#evict(oldest))
  }

  /** Now and then, since what is over is not told anyway. */
  #sweep (nowMs: number): void {
    this.#nextSweepAtMs = nowMs + limits.idempotency.sweepMs
    for (const [id, { expiresAtMs }] of this.#entries) {
      if (expiresAtMs > nowMs) return
      this.#evict(id)
    }
  }

  /** Running ones are never forgotten: their number is bounded by the requests under way. */
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

function responseSize (verdict: CompletedRecord['result']): number {
  return verdict.kind === 'success' ? verdict.body.length : Buffer.byteLength(JSON.stringify(verdict.body) ?? '')
}
