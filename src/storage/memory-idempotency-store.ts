/**
 * Idempotency keys in the memory of this process, bounded in number, bytes and time; the oldest that are settled go first.
 * It knows nothing of other replicas, and of what is kept only its size.
 */
import { limits } from '../config/limits.ts'
import { forgetOldest } from '../util/evict-oldest.ts'
import type { AnsweredKey, KeyRecord, KeyStore, UnknownKey } from './idempotency-store.ts'

interface Kept {
  record: KeyRecord
  bytes: number
  expiresAtMs: number
}

/** What a key takes beside its answer, roughly. */
const recordBytes = 500

/** At most `limits.idempotency.keysMax` with `limits.idempotency.maxBytes` of answers, each for `limits.idempotency.ttlMs`. No call of it fails. */
export class MemoryKeys implements KeyStore {
  /** In the order in which they were settled; running ones stand where they were claimed. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #expireAtMs = 0

  /** What stands under a key, without taking it. */
  peek (id: string): KeyRecord | undefined {
    const kept = this.#kept.get(id)
    return kept !== undefined && (kept.record.state === 'running' || kept.expiresAtMs > Date.now()) ? kept.record : undefined
  }

  async claim (id: string): Promise<KeyRecord | undefined> {
    const found = this.peek(id)
    if (found !== undefined) return found
    this.#put(id, { state: 'running' }, 0)
    return undefined
  }

  async settle (id: string, record: AnsweredKey | UnknownKey): Promise<void> {
    this.#put(id, record, record.state === 'answered' ? sizeOf(record.verdict) : 0)
  }

  async release (id: string): Promise<void> {
    this.#remove(id)
  }

  #put (id: string, record: KeyRecord, answerBytes: number): void {
    this.#remove(id)
    const nowMs = Date.now()
    const bytes = recordBytes + answerBytes
    this.#kept.set(id, { record, bytes, expiresAtMs: nowMs + limits.idempotency.ttlMs })
    this.#bytes += bytes
    if (nowMs >= this.#expireAtMs) this.#expire(nowMs)
    forgetOldest(this.#kept, () => Math.max(this.#kept.size / limits.idempotency.keysMax, this.#bytes / limits.idempotency.maxBytes), oldest => this.#forget(oldest))
  }

  /** Now and then, since what is over is not told anyway. */
  #expire (nowMs: number): void {
    this.#expireAtMs = nowMs + limits.idempotency.sweepMs
    for (const [id, { expiresAtMs }] of this.#kept) {
      if (expiresAtMs > nowMs) return
      this.#forget(id)
    }
  }

  /** Running ones are never forgotten: their number is bounded by the requests under way. */
  #forget (id: string): void {
    if (this.#kept.get(id)?.record.state !== 'running') this.#remove(id)
  }

  #remove (id: string): void {
    const kept = this.#kept.get(id)
    if (kept === undefined) return
    this.#bytes -= kept.bytes
    this.#kept.delete(id)
  }
}

function sizeOf (verdict: AnsweredKey['verdict']): number {
  return verdict.kind === 'success' ? verdict.body.length : Buffer.byteLength(JSON.stringify(verdict.body) ?? '')
}
