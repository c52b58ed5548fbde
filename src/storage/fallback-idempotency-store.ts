/**
 * Stores idempotency keys in Redis, with a fallback. While Redis is unavailable, requests with a new key are rejected
 * or use the memory of this replica, as `IDEMPOTENCY_WITHOUT_REDIS` says. Requests that this replica runs or has
 * settled are found in its memory in any case.
 */
import type { Config } from '../config/index.ts'
import { overloadedProblem } from '../server/problem.ts'
import type { CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord } from './idempotency-store.ts'
import type { MemoryIdempotencyStore } from './memory-idempotency-store.ts'
import type { RedisIdempotencyStore } from './redis-idempotency-store.ts'
import { StoreUnavailableError } from './redis.ts'

type OutagePolicy = Config['storage']['redisOutagePolicy']

/** Each running key is owned either by Redis or by this replica's memory; `#inFlight` says by which. */
export class FallbackIdempotencyStore implements IdempotencyStore {
  readonly #shared: RedisIdempotencyStore
  readonly #local: MemoryIdempotencyStore
  readonly #outagePolicy: OutagePolicy
  /** Keys of the requests that this replica runs, with the owner of each. */
  readonly #inFlight = new Map<string, 'shared' | 'local'>()

  constructor (shared: RedisIdempotencyStore, local: MemoryIdempotencyStore, outagePolicy: OutagePolicy) {
    this.#shared = shared
    this.#local = local
    this.#outagePolicy = outagePolicy
  }

  /**
   * @throws {Problem} `overloaded`, with the outcome `not_sent`, if Redis is unavailable and the policy is to reject
   */
  async claim (id: string, fingerprint: string | undefined): Promise<IdempotencyRecord | undefined> {
    if (this.#inFlight.has(id)) return { state: 'running' }
    const known = this.#local.peek(id)
    if (known !== undefined) return known.state === 'unknown' ? this.#preferCompleted(id, known) : known
    this.#inFlight.set(id, 'shared')
    const found = await this.#claimShared(id, fingerprint).catch((error: unknown) => {
      this.#inFlight.delete(id)
      throw error
    })
    if (found !== undefined) this.#inFlight.delete(id)
    return found
  }

  async setFingerprint (id: string, fingerprint: string): Promise<void> {
    if (this.#inFlight.get(id) === 'shared') await this.#shared.setFingerprint(id, fingerprint)
  }

  async settle (id: string, record: CompletedRecord | IndeterminateRecord, callerId: string): Promise<void> {
    const owner = this.#inFlight.get(id)
    await this.#local.settle(id, record, callerId)
    this.#inFlight.delete(id)
    const settled = this.#shared.settle(id, record)
    // A request that ran without Redis is written there later. The response does not wait for it.
    if (owner !== 'local') await settled
  }

  async release (id: string): Promise<void> {
    const owner = this.#inFlight.get(id)
    await this.#local.release(id)
    this.#inFlight.delete(id)
    if (owner !== 'local') await this.#shared.release(id)
  }

  /** Prefers a completed record in Redis: another replica may have resolved the outcome since. */
  async #preferCompleted (id: string, known: IndeterminateRecord): Promise<IdempotencyRecord> {
    const found = await this.#shared.peek(id)
    return found?.state === 'answered' ? found : known
  }

  async #claimShared (id: string, fingerprint: string | undefined): Promise<IdempotencyRecord | undefined> {
    try {
      return await this.#shared.claim(id, fingerprint)
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      if (this.#outagePolicy === 'refuse') {
        throw overloadedProblem('Redis, which stores the idempotency keys, is unavailable.', { outcome: 'not_sent' })
      }
      this.#inFlight.set(id, 'local')
      return undefined
    }
  }
}
