/** Stores idempotency keys in the memory of this process. Number, bytes and lifetime are limited. */
import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import type { CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord } from './idempotency-store.ts'

/**
 * Size of an entry without its response: some 500 bytes, rounded up so that `maxBytes` is also the limit of `keysMax`.
 * With lru-cache's option `max`, a start would allocate the place of all keys, which takes 22 ms.
 */
const recordOverheadBytes = Math.ceil(limits.idempotency.maxBytes / limits.idempotency.keysMax)

/**
 * Holds at most `limits.idempotency.keysMax` settled keys and `limits.idempotency.maxBytes` of their records, each for
 * `limits.idempotency.ttlMs`. Beyond that, the entries that were settled first are evicted. Running entries are never
 * evicted; the requests in flight limit their number. No method rejects.
 */
export class MemoryIdempotencyStore implements IdempotencyStore {
  readonly #running = new Set<string>()
  /** In the order in which the keys were settled, because `peek` does not count as a use. */
  readonly #settled = new LRUCache<string, CompletedRecord | IndeterminateRecord>({
    maxSize: limits.idempotency.maxBytes,
    sizeCalculation: record => recordOverheadBytes + getResponseSize(record),
    ttl: limits.idempotency.ttlMs,
    // Lists expired entries too, for the sweep.
    allowStale: true,
    perf: Date,
    ttlResolution: 0,
  })

  #nextSweepAtMs = 0

  /** Returns the record of a key without claiming it. */
  peek (id: string): IdempotencyRecord | undefined {
    return this.#running.has(id) ? { state: 'running' } : this.#settled.peek(id, { allowStale: false })
  }

  async claim (id: string): Promise<IdempotencyRecord | undefined> {
    const found = this.peek(id)
    if (found === undefined) this.#running.add(id)
    return found
  }

  async settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void> {
    this.#running.delete(id)
    this.#settled.set(id, record)
    this.#sweep()
  }

  async release (id: string): Promise<void> {
    this.#running.delete(id)
    this.#settled.delete(id)
  }

  /**
   * Removes expired entries, which lru-cache removes only when it needs their place. They are the oldest, so that not
   * all entries are visited as by `purgeStale`, which takes 20 ms for 100,000 keys. `peek` ignores them already.
   */
  #sweep (): void {
    const nowMs = Date.now()
    if (nowMs < this.#nextSweepAtMs) return
    this.#nextSweepAtMs = nowMs + limits.idempotency.sweepMs
    for (const id of this.#settled.rkeys()) {
      if (this.#settled.getRemainingTTL(id) >= 0) return
      this.#settled.delete(id)
    }
  }
}

function getResponseSize (record: CompletedRecord | IndeterminateRecord): number {
  if (record.state !== 'answered') return 0
  const { result } = record
  return result.kind === 'success' ? result.body.length : Buffer.byteLength(JSON.stringify(result.body) ?? '')
}
