/**
 * Idempotency keys where a shared store is configured: in it while it is there; while it is away, keyed requests are refused, or go on
 * with this replica's own memory, as the operator chose. What this replica runs or settled itself it knows in any case.
 */
import type { Config } from '../config/index.ts'
import { overloadedProblem } from '../server/problem.ts'
import type { CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord } from './idempotency-store.ts'
import type { MemoryIdempotencyStore } from './memory-idempotency-store.ts'
import type { RedisIdempotencyStore } from './redis-idempotency-store.ts'
import { StoreUnavailableError } from './redis.ts'

/** At any time each key is this replica's own affair or the store's: `#running` says which. */
export class FallbackIdempotencyStore implements IdempotencyStore {
  readonly #shared: RedisIdempotencyStore
  readonly #local: MemoryIdempotencyStore
  readonly #outagePolicy: Config['storage']['redisOutagePolicy']
  /** What this replica runs, and whether the shared store knows of it. */
  readonly #inFlight = new Map<string, 'shared' | 'local'>()

  constructor (shared: RedisIdempotencyStore, local: MemoryIdempotencyStore, outagePolicy: Config['storage']['redisOutagePolicy']) {
    this.#shared = shared
    this.#local = local
    this.#outagePolicy = outagePolicy
  }

  /** @throws {Problem} `overloaded`, `not_sent` */
  async claim (id: string): Promise<IdempotencyRecord | undefined> {
    if (this.#inFlight.has(id)) return { state: 'running' }
    const known = this.#local.peek(id)
    if (known !== undefined) return known.state === 'unknown' ? this.#preferCompleted(id, known) : known
    this.#inFlight.set(id, 'shared')
    const found = await this.#claimShared(id).catch(error => {
      this.#inFlight.delete(id)
      throw error
    })
    if (found !== undefined) this.#inFlight.delete(id)
    return found
  }

  async settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void> {
    const owner = this.#inFlight.get(id)
    await this.#local.settle(id, record)
    this.#inFlight.delete(id)
    const settled = this.#shared.settle(id, record)
    // What went on without the store is told to it later, and holds no answer up.
    if (owner !== 'local') await settled
  }

  async release (id: string): Promise<void> {
    const owner = this.#inFlight.get(id)
    await this.#local.release(id)
    this.#inFlight.delete(id)
    if (owner !== 'local') await this.#shared.release(id)
  }

  /** Another replica may have found out since. */
  async #preferCompleted (id: string, known: IndeterminateRecord): Promise<IdempotencyRecord> {
    const found = await this.#shared.peek(id)
    return found?.state === 'answered' ? found : known
  }

  async #claimShared (id: string): Promise<IdempotencyRecord | undefined> {
    try {
      return await this.#shared.claim(id)
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      if (this.#outagePolicy === 'refuse') throw overloadedProblem('The store of idempotency keys is away.', { outcome: 'not_sent' })
      this.#inFlight.set(id, 'local')
      return undefined
    }
  }
}
