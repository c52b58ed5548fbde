/**
 * Idempotency keys where a shared store is configured: in it while it is there; while it is away, keyed requests are refused, or go on
 * with this replica's own memory, as the operator chose. What this replica runs or settled itself it knows in any case.
 */
import type { Config } from '../config/index.ts'
import { overloaded } from '../server/problem.ts'
import type { AnsweredKey, KeyRecord, KeyStore, UnknownKey } from './idempotency-store.ts'
import type { MemoryKeys } from './memory-idempotency-store.ts'
import type { RedisKeys } from './redis-idempotency-store.ts'
import { StoreAway } from './redis.ts'

/** At any time each key is this replica's own affair or the store's: `#running` says which. */
export class SharedKeys implements KeyStore {
  readonly #shared: RedisKeys
  readonly #own: MemoryKeys
  readonly #mode: Config['state']['withoutStore']
  /** What this replica runs, and whether the shared store knows of it. */
  readonly #running = new Map<string, 'shared' | 'own'>()

  constructor (shared: RedisKeys, own: MemoryKeys, mode: Config['state']['withoutStore']) {
    this.#shared = shared
    this.#own = own
    this.#mode = mode
  }

  /** @throws {Problem} `overloaded`, `not_sent` */
  async claim (id: string): Promise<KeyRecord | undefined> {
    if (this.#running.has(id)) return { state: 'running' }
    const known = this.#own.peek(id)
    if (known !== undefined) return known.state === 'unknown' ? this.#better(id, known) : known
    this.#running.set(id, 'shared')
    const found = await this.#claim(id).catch(error => {
      this.#running.delete(id)
      throw error
    })
    if (found !== undefined) this.#running.delete(id)
    return found
  }

  async settle (id: string, record: AnsweredKey | UnknownKey): Promise<void> {
    const where = this.#running.get(id)
    await this.#own.settle(id, record)
    this.#running.delete(id)
    const settled = this.#shared.settle(id, record)
    // What went on without the store is told to it later, and holds no answer up.
    if (where !== 'own') await settled
  }

  async release (id: string): Promise<void> {
    const where = this.#running.get(id)
    await this.#own.release(id)
    this.#running.delete(id)
    if (where !== 'own') await this.#shared.release(id)
  }

  /** Another replica may have found out since. */
  async #better (id: string, known: UnknownKey): Promise<KeyRecord> {
    const found = await this.#shared.peek(id)
    return found?.state === 'answered' ? found : known
  }

  async #claim (id: string): Promise<KeyRecord | undefined> {
    try {
      return await this.#shared.claim(id)
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error
      if (this.#mode === 'refuse') throw overloaded('The store of idempotency keys is away.', { outcome: 'not_sent' })
      this.#running.set(id, 'own')
      return undefined
    }
  }
}
