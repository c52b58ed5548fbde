/**
 * Idempotency keys that replicas share. A key is held by a lease that its replica extends; one that was lost with its replica counts
 * as unknown, never as free. Records are sealed, since answers hold personal data; one that does not open counts as unknown, too.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord } from './idempotency-store.ts'
import { deserialize, serialize } from './stored-idempotency-record.ts'
import type { LeaseTiming, RedisConnection } from './redis.ts'
import type { Encryptor } from './encryption.ts'

interface ActiveLease {
  holder: string
  claimedAtMs: number
  /** Its end is being written, after which it may be free. */
  isReleasing: boolean
}

/** Answers of more than `limits.redis.recordMaxBytes` are not stored, and count as unknown: they are looked up again. */
export class RedisIdempotencyStore implements IdempotencyStore {
  readonly #redis: RedisConnection
  readonly #encryptor: Encryptor
  /** What this replica runs, by key. */
  readonly #leases = new Map<string, ActiveLease>()
  readonly #renewalTimer: NodeJS.Timeout

  readonly #leaseMs: number

  /** @param lease how long a key is held by a replica that says nothing, and how often one that is alive says so */
  constructor (redis: RedisConnection, seal: Encryptor, { leaseMs, leaseRenewMs }: LeaseTiming = limits.redis) {
    this.#redis = redis
    this.#encryptor = seal
    this.#leaseMs = leaseMs
    this.#renewalTimer = setInterval(() => this.#extendLeases(), leaseRenewMs).unref()
  }

  /** What is still held ends with its lease. */
  close (): void {
    clearInterval(this.#renewalTimer)
  }

  /** @throws {StoreAway} */
  async claim (id: string): Promise<IdempotencyRecord | undefined> {
    const holder = randomUUID()
    const wasUp = this.#redis.isUp
    const claim = () => this.#redis.script('claim-key', [redisKey(id)], [holder, this.#leaseMs, limits.idempotency.ttlMs])
    try {
      // The same holder may claim again what it may already hold.
      const found = await claim().catch(async error => {
        if (wasUp && await this.#redis.waitForProbe()) return claim()
        throw error
      })
      if (Array.isArray(found)) return this.#parseReply(id, found)
      this.#leases.set(id, { holder, claimedAtMs: Date.now(), isReleasing: false })
      return undefined
    } catch (error) {
      // The call may have been carried out although its answer was lost.
      if (wasUp) this.#redis.runOrRetryLater(() => this.#redis.script('release-key', [redisKey(id)], [holder])).catch(() => {})
      throw error
    }
  }

  /** What stands under a key, without taking it; nothing as well while the store is away. */
  async peek (id: string): Promise<IdempotencyRecord | undefined> {
    const found = await this.#redis.script('claim-key', [redisKey(id)], ['', this.#leaseMs, limits.idempotency.ttlMs]).catch(() => undefined)
    return Array.isArray(found) ? this.#parseReply(id, found) : undefined
  }

  /** Resolves once it is written, or is known to be written later: it waits no longer than two calls may take, and never fails. */
  async settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void> {
    const lease = this.#leases.get(id)
    const encrypted = this.#encrypt(id, record)
    await this.#finish(id, lease, () => this.#redis.script('settle-key', [redisKey(id)], [lease?.holder ?? '', encrypted, limits.idempotency.ttlMs, record.state === 'answered' ? '1' : '0']))
  }

  /** As `settle`; a key that is not held here is left alone. */
  async release (id: string): Promise<void> {
    const lease = this.#leases.get(id)
    if (lease !== undefined) await this.#finish(id, lease, () => this.#redis.script('release-key', [redisKey(id)], [lease.holder]))
  }

  #parseReply (id: string, [state, encrypted, agoMs]: readonly unknown[]): IdempotencyRecord {
    if (state === 'running') return { state: 'running' }
    const record = typeof encrypted === 'string' && encrypted !== '' ? this.#decrypt(id, encrypted) : undefined
    // Nobody can tell what became of it: its replica died, or the secret was changed since.
    return record ?? { state: 'unknown', fingerprint: '', sentAtMs: Date.now() - Number(agoMs), code: 'procore_unreachable' }
  }

  #decrypt (id: string, encrypted: string): CompletedRecord | IndeterminateRecord | undefined {
    return deserialize(this.#encryptor.decrypt(id, encrypted))
  }

  /** Meanwhile the lease goes on. */
  #finish (id: string, lease: ActiveLease | undefined, write: () => Promise<unknown>): Promise<void> {
    if (lease !== undefined) lease.isReleasing = true
    const finished = this.#redis.runOrRetryLater(write).finally(() => { if (this.#leases.get(id) === lease) this.#leases.delete(id) })
    // What waits for the store to come back must not hold the answer up.
    return Promise.race([finished, new Promise<void>(resolve => { setTimeout(resolve, limits.redis.timeoutMs * 2).unref() })])
  }

  /** A large answer would keep the store from everything else: it is looked up again instead. */
  #encrypt (id: string, record: CompletedRecord | IndeterminateRecord): string {
    const encrypted = this.#encryptor.encrypt(id, serialize(record))
    if (encrypted.length <= limits.redis.recordMaxBytes) return encrypted
    const indeterminate: IndeterminateRecord = { state: 'unknown', fingerprint: record.fingerprint, sentAtMs: Date.now() - limits.lookup.timeoutMs, code: 'procore_bad_response' }
    return this.#encryptor.encrypt(id, serialize(indeterminate))
  }

  #extendLeases (): void {
    for (const [id, { holder, claimedAtMs, isReleasing }] of this.#leases) {
      this.#redis.script('extend-key', [redisKey(id)], [holder, this.#leaseMs, limits.idempotency.ttlMs, isReleasing ? '' : Date.now() - claimedAtMs]).catch(() => {})
    }
  }
}

const redisKey = (id: string) => `key:${id}`
