/**
 * Idempotency keys that replicas share. A key is held by a lease that its replica extends; one that was lost with its replica counts
 * as unknown, never as free. Records are sealed, since answers hold personal data; one that does not open counts as unknown, too.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { AnsweredKey, KeyRecord, KeyStore, UnknownKey } from './idempotency-store.ts'
import { fromStored, toStored } from './stored-idempotency-record.ts'
import type { Lease, SharedStore } from './redis.ts'
import type { Seal } from './encryption.ts'

interface Held {
  holder: string
  claimedAtMs: number
  /** Its end is being written, after which it may be free. */
  isEnding: boolean
}

/** Answers of more than `limits.redis.recordMaxBytes` are not stored, and count as unknown: they are looked up again. */
export class RedisKeys implements KeyStore {
  readonly #store: SharedStore
  readonly #seal: Seal
  /** What this replica runs, by key. */
  readonly #held = new Map<string, Held>()
  readonly #renewal: NodeJS.Timeout

  readonly #leaseMs: number

  /** @param lease how long a key is held by a replica that says nothing, and how often one that is alive says so */
  constructor (store: SharedStore, seal: Seal, { leaseMs, leaseRenewMs }: Lease = limits.redis) {
    this.#store = store
    this.#seal = seal
    this.#leaseMs = leaseMs
    this.#renewal = setInterval(() => this.#extend(), leaseRenewMs).unref()
  }

  /** What is still held ends with its lease. */
  close (): void {
    clearInterval(this.#renewal)
  }

  /** @throws {StoreAway} */
  async claim (id: string): Promise<KeyRecord | undefined> {
    const holder = randomUUID()
    const wasUp = this.#store.isUp
    const claim = () => this.#store.script('claim-key', [keyOf(id)], [holder, this.#leaseMs, limits.idempotency.ttlMs])
    try {
      // The same holder may claim again what it may already hold.
      const found = await claim().catch(async error => {
        if (wasUp && await this.#store.isBack()) return claim()
        throw error
      })
      if (Array.isArray(found)) return this.#read(id, found)
      this.#held.set(id, { holder, claimedAtMs: Date.now(), isEnding: false })
      return undefined
    } catch (error) {
      // The call may have been carried out although its answer was lost.
      if (wasUp) this.#store.eventually(() => this.#store.script('release-key', [keyOf(id)], [holder])).catch(() => {})
      throw error
    }
  }

  /** What stands under a key, without taking it; nothing as well while the store is away. */
  async peek (id: string): Promise<KeyRecord | undefined> {
    const found = await this.#store.script('claim-key', [keyOf(id)], ['', this.#leaseMs, limits.idempotency.ttlMs]).catch(() => undefined)
    return Array.isArray(found) ? this.#read(id, found) : undefined
  }

  /** Resolves once it is written, or is known to be written later: it waits no longer than two calls may take, and never fails. */
  async settle (id: string, record: AnsweredKey | UnknownKey): Promise<void> {
    const held = this.#held.get(id)
    const sealed = this.#close(id, record)
    await this.#end(id, held, () => this.#store.script('settle-key', [keyOf(id)], [held?.holder ?? '', sealed, limits.idempotency.ttlMs, record.state === 'answered' ? '1' : '0']))
  }

  /** As `settle`; a key that is not held here is left alone. */
  async release (id: string): Promise<void> {
    const held = this.#held.get(id)
    if (held !== undefined) await this.#end(id, held, () => this.#store.script('release-key', [keyOf(id)], [held.holder]))
  }

  #read (id: string, [state, sealed, agoMs]: readonly unknown[]): KeyRecord {
    if (state === 'running') return { state: 'running' }
    const record = typeof sealed === 'string' && sealed !== '' ? this.#open(id, sealed) : undefined
    // Nobody can tell what became of it: its replica died, or the secret was changed since.
    return record ?? { state: 'unknown', fingerprint: '', sentAtMs: Date.now() - Number(agoMs), code: 'procore_unreachable' }
  }

  #open (id: string, sealed: string): AnsweredKey | UnknownKey | undefined {
    return fromStored(this.#seal.open(id, sealed))
  }

  /** Meanwhile the lease goes on. */
  #end (id: string, held: Held | undefined, ending: () => Promise<unknown>): Promise<void> {
    if (held !== undefined) held.isEnding = true
    const ended = this.#store.eventually(ending).finally(() => { if (this.#held.get(id) === held) this.#held.delete(id) })
    // What waits for the store to come back must not hold the answer up.
    return Promise.race([ended, new Promise<void>(resolve => { setTimeout(resolve, limits.redis.timeoutMs * 2).unref() })])
  }

  /** A large answer would keep the store from everything else: it is looked up again instead. */
  #close (id: string, record: AnsweredKey | UnknownKey): string {
    const sealed = this.#seal.close(id, toStored(record))
    if (sealed.length <= limits.redis.recordMaxBytes) return sealed
    const unknown: UnknownKey = { state: 'unknown', fingerprint: record.fingerprint, sentAtMs: Date.now() - limits.lookup.timeoutMs, code: 'procore_bad_response' }
    return this.#seal.close(id, toStored(unknown))
  }

  #extend (): void {
    for (const [id, { holder, claimedAtMs, isEnding }] of this.#held) {
      this.#store.script('extend-key', [keyOf(id)], [holder, this.#leaseMs, limits.idempotency.ttlMs, isEnding ? '' : Date.now() - claimedAtMs]).catch(() => {})
    }
  }
}

const keyOf = (id: string) => `key:${id}`
