/** Stores idempotency keys in the memory of this process. Number, bytes and lifetime are limited. */
import { limits } from '../config/limits.ts'
import {
  withoutResponse, type CompletedRecord, type IdempotencyRecord, type IdempotencyStore, type IndeterminateRecord,
} from './idempotency-store.ts'

interface SettledKey {
  record: CompletedRecord | IndeterminateRecord
  owner: Owner
  responseBytes: number
  expiresAtMs: number
}

/** The records of one caller. The ids are in the order in which they were settled. */
interface Owner {
  callerId: string
  ids: Set<string>
  /** Those with a response whose body counts for `limits.idempotency.maxBytes`. */
  idsWithBody: Set<string>
  responseBytes: number
}

/**
 * Holds at most `limits.idempotency.keysMax` settled keys and `limits.idempotency.maxBytes` of their responses, each
 * for `limits.idempotency.ttlMs`. Beyond that, the caller that holds the most loses its oldest response or key, so that
 * no caller takes the place of others. A key whose response is removed stays in use, so that a repeat creates nothing.
 * Running keys are never removed; the requests in flight limit their number. No method rejects.
 */
export class MemoryIdempotencyStore implements IdempotencyStore {
  readonly #running = new Set<string>()
  /** The map has the order in which the keys were settled. */
  readonly #settled = new Map<string, SettledKey>()
  readonly #owners = new Map<string, Owner>()
  #responseBytes = 0
  #nextSweepAtMs = 0

  /** Returns the record of a key without claiming it. */
  peek (id: string): IdempotencyRecord | undefined {
    if (this.#running.has(id)) return { state: 'running' }
    const settled = this.#settled.get(id)
    return settled !== undefined && performance.now() < settled.expiresAtMs ? settled.record : undefined
  }

  async claim (id: string): Promise<IdempotencyRecord | undefined> {
    const found = this.peek(id)
    if (found === undefined) this.#running.add(id)
    return found
  }

  /** A request that runs ends with this process, and its key with it. */
  async setFingerprint (): Promise<void> {}

  async settle (id: string, record: CompletedRecord | IndeterminateRecord, callerId: string): Promise<void> {
    this.#running.delete(id)
    this.#remove(id)
    this.#removeExpired()
    this.#add(id, record, callerId)
    while (this.#responseBytes > limits.idempotency.maxBytes) {
      this.#removeResponse(this.#findLargestOwner(owner => owner.responseBytes))
    }
    while (this.#settled.size > limits.idempotency.keysMax) {
      const [oldestId = ''] = this.#findLargestOwner(owner => owner.ids.size).ids
      this.#remove(oldestId)
    }
  }

  async release (id: string): Promise<void> {
    this.#running.delete(id)
    this.#remove(id)
  }

  #add (id: string, record: CompletedRecord | IndeterminateRecord, callerId: string): void {
    const owner = this.#owners.get(callerId) ??
      { callerId, ids: new Set<string>(), idsWithBody: new Set<string>(), responseBytes: 0 }
    const responseBytes = getResponseSize(record)
    this.#owners.set(callerId, owner)
    this.#settled.set(id, { record, owner, responseBytes, expiresAtMs: performance.now() + limits.idempotency.ttlMs })
    owner.ids.add(id)
    if (responseBytes === 0) return
    owner.idsWithBody.add(id)
    owner.responseBytes += responseBytes
    this.#responseBytes += responseBytes
  }

  #remove (id: string): void {
    const settled = this.#settled.get(id)
    if (settled === undefined) return
    const { owner } = settled
    this.#settled.delete(id)
    this.#forgetBody(id, settled)
    owner.ids.delete(id)
    if (owner.ids.size === 0) this.#owners.delete(owner.callerId)
  }

  /** Removes the oldest response of a caller; its fingerprint stays. */
  #removeResponse ({ idsWithBody }: Owner): void {
    const [id = ''] = idsWithBody
    const settled = this.#settled.get(id)
    if (settled?.record.state !== 'answered') return
    this.#forgetBody(id, settled)
    settled.record = withoutResponse(settled.record)
  }

  #forgetBody (id: string, settled: SettledKey): void {
    settled.owner.idsWithBody.delete(id)
    settled.owner.responseBytes -= settled.responseBytes
    this.#responseBytes -= settled.responseBytes
    settled.responseBytes = 0
  }

  /** Visits all callers, but only while the store is full. */
  #findLargestOwner (size: (owner: Owner) => number): Owner {
    return this.#owners.values().reduce((largest, owner) => size(owner) > size(largest) ? owner : largest)
  }

  /** Removes expired keys, which are the oldest. `peek` ignores them already. */
  #removeExpired (): void {
    const nowMs = performance.now()
    if (nowMs < this.#nextSweepAtMs) return
    this.#nextSweepAtMs = nowMs + limits.idempotency.sweepMs
    for (const [id, { expiresAtMs }] of this.#settled) {
      if (nowMs < expiresAtMs) return
      this.#remove(id)
    }
  }
}

function getResponseSize (record: CompletedRecord | IndeterminateRecord): number {
  if (record.state !== 'answered') return 0
  const { result } = record
  return result.kind === 'success' ? result.body.length : Buffer.byteLength(JSON.stringify(result.body) ?? '')
}
