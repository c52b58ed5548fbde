/**
 * Stores idempotency keys in Redis, shared by all replicas. While a request runs, its replica renews a lease on the
 * key. If the replica dies, the lease expires and the outcome counts as unknown; the key is never released. Records
 * are encrypted, since responses contain personal data. A record that cannot be decrypted counts as unknown as well.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../config/limits.ts'
import {
  withoutResponse, type CompletedRecord, type IdempotencyRecord, type IdempotencyStore, type IndeterminateRecord,
} from './idempotency-store.ts'
import { deserialize, serialize } from './stored-idempotency-record.ts'
import type { LeaseTiming, RedisConnection } from './redis.ts'
import type { Encryptor } from './encryption.ts'

interface ActiveLease {
  holderId: string
  claimedAtMs: number
  /** The final record is being written. From then on a renewal must not create the key again. */
  isReleasing: boolean
}

/** Responses of more than `limits.redis.recordMaxBytes` are not stored. A repeat of such a success looks it up. */
export class RedisIdempotencyStore implements IdempotencyStore {
  readonly #redis: RedisConnection
  readonly #encryptor: Encryptor
  /** Leases of the requests that this replica runs, by id. */
  readonly #leases = new Map<string, ActiveLease>()
  readonly #renewalTimer: NodeJS.Timeout
  readonly #leaseMs: number

  constructor (redis: RedisConnection, encryptor: Encryptor, { leaseMs, leaseRenewMs }: LeaseTiming = limits.redis) {
    this.#redis = redis
    this.#encryptor = encryptor
    this.#leaseMs = leaseMs
    this.#renewalTimer = setInterval(() => this.#extendLeases(), leaseRenewMs).unref()
  }

  /** Stops renewing. The remaining leases expire. */
  close (): void {
    clearInterval(this.#renewalTimer)
  }

  /** @throws {StoreUnavailableError} */
  async claim (id: string): Promise<IdempotencyRecord | undefined> {
    const holderId = randomUUID()
    const wasUp = this.#redis.isUp
    const claim = () => {
      return this.#redis.script('claim-key', [redisKey(id)], [holderId, this.#leaseMs, limits.idempotency.ttlMs])
    }
    try {
      // A claim may be repeated: the script grants the key to its holder again.
      const reply = await claim().catch(async (error: unknown) => {
        if (wasUp && await this.#redis.waitForProbe()) return claim()
        throw error
      })
      if (Array.isArray(reply)) return this.#parseReply(id, reply)
      this.#leases.set(id, { holderId, claimedAtMs: Date.now(), isReleasing: false })
      return undefined
    } catch (error) {
      // Redis may have run the script although its reply was lost.
      if (wasUp) {
        const release = () => this.#redis.script('release-key', [redisKey(id)], [holderId])
        this.#redis.runOrRetryLater(release).catch(() => {})
      }
      throw error
    }
  }

  /** Returns the record of a key without claiming it. Returns undefined while Redis is unavailable. */
  async peek (id: string): Promise<IdempotencyRecord | undefined> {
    const args = ['', this.#leaseMs, limits.idempotency.ttlMs]
    const reply = await this.#redis.script('claim-key', [redisKey(id)], args).catch(() => undefined)
    return Array.isArray(reply) ? this.#parseReply(id, reply) : undefined
  }

  /**
   * Resolves when the record was written, or after twice the Redis timeout if it has to be written later. Never
   * rejects.
   */
  async settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void> {
    const lease = this.#leases.get(id)
    const encrypted = this.#encrypt(id, record)
    const isCompleted = record.state === 'answered' ? '1' : '0'
    const args = [lease?.holderId ?? '', encrypted, limits.idempotency.ttlMs, isCompleted]
    await this.#finish(id, lease, () => this.#redis.script('settle-key', [redisKey(id)], args))
  }

  /** Resolves as `settle` does. A key that this replica has not claimed is left unchanged. */
  async release (id: string): Promise<void> {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    await this.#finish(id, lease, () => this.#redis.script('release-key', [redisKey(id)], [lease.holderId]))
  }

  #parseReply (id: string, [state, encrypted, agoMs]: readonly unknown[]): IdempotencyRecord {
    if (state === 'running') return { state: 'running' }
    const sentAtMs = Date.now() - Number(agoMs)
    const hasRecord = typeof encrypted === 'string' && encrypted !== ''
    const record = hasRecord ? deserialize(this.#encryptor.decrypt(id, encrypted), sentAtMs) : undefined
    // The outcome is unknown: the replica died, or the secret was changed since.
    return record ?? { state: 'unknown', fingerprint: '', sentAtMs, code: 'procore_unreachable' }
  }

  /** Writes the end of a request, later if Redis is unavailable. The lease is renewed until then. */
  #finish (id: string, lease: ActiveLease | undefined, write: () => Promise<unknown>): Promise<void> {
    if (lease !== undefined) lease.isReleasing = true
    const finished = this.#redis.runOrRetryLater(write).finally(() => {
      if (this.#leases.get(id) === lease) this.#leases.delete(id)
    })
    // A write that waits for Redis to recover must not delay the response.
    const timeout = new Promise<void>(resolve => { setTimeout(resolve, limits.redis.timeoutMs * 2).unref() })
    return Promise.race([finished, timeout])
  }

  /** Leaves out a large response, since a large value would block Redis. */
  #encrypt (id: string, record: CompletedRecord | IndeterminateRecord): string {
    const encrypted = this.#encryptor.encrypt(id, serialize(record))
    if (encrypted.length <= limits.redis.recordMaxBytes || record.state === 'unknown') return encrypted
    return this.#encryptor.encrypt(id, serialize(withoutResponse(record)))
  }

  #extendLeases (): void {
    for (const [id, { holderId, claimedAtMs, isReleasing }] of this.#leases) {
      const claimedAgoMs = isReleasing ? '' : Date.now() - claimedAtMs
      const args = [holderId, this.#leaseMs, limits.idempotency.ttlMs, claimedAgoMs]
      this.#redis.script('extend-key', [redisKey(id)], args).catch(() => {})
    }
  }
}

const redisKey = (id: string) => `key:${id}`
