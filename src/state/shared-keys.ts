/**
 * Idempotency keys where a shared store is configured: in it while it is there; while it is away, keyed requests are refused, or go on
 * with this replica's own memory, as the operator chose.
 */
import type { Config } from '../config.ts'
import { Problem } from '../problem.ts'
import type { AnsweredKey, KeyRecord, KeyStore, UnknownKey } from './keys.ts'
import { StoreAway } from './redis.ts'

export class SharedKeys implements KeyStore {
  readonly #shared: KeyStore
  readonly #own: KeyStore
  readonly #mode: Config['state']['withoutStore']
  /** Keys that were claimed in this replica's own memory. */
  readonly #claimedHere = new Set<string>()

  constructor (shared: KeyStore, own: KeyStore, mode: Config['state']['withoutStore']) {
    this.#shared = shared
    this.#own = own
    this.#mode = mode
  }

  /** @throws {Problem} `overloaded`, `not_sent` */
  async claim (id: string): Promise<KeyRecord | undefined> {
    try {
      return await this.#shared.claim(id)
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error
      if (this.#mode === 'refuse') throw new Problem('overloaded', 'The store of idempotency keys is away.', { outcome: 'not_sent', headers: { 'retry-after': '1' } })
      const found = await this.#own.claim(id)
      if (found === undefined) this.#claimedHere.add(id)
      return found
    }
  }

  settle (id: string, record: AnsweredKey | UnknownKey): Promise<void> {
    return this.#storeOf(id).settle(id, record)
  }

  release (id: string): Promise<void> {
    return this.#storeOf(id).release(id)
  }

  #storeOf (id: string): KeyStore {
    return this.#claimedHere.delete(id) ? this.#own : this.#shared
  }
}
