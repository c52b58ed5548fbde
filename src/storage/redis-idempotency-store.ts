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
import { monotonicNowMs } from '../util/clock.ts'

/**
 * A name of an idempotency key in Redis, and the encryption of the records under it. A key has one name for each state
 * key. All of them are claimed and settled together, so that replicas that do not know the newest state key yet see
 * every key, and a key stays in use when the state keys change.
 */
interface KeyName {
  redisKey: string
  encryptor: Encryptor
}

interface ActiveLease {
  holderId: string
  names: readonly KeyName[]
  claimedAtMs: number
  /** For each name, the encrypted record that counts if this replica dies. Empty until the body is complete. */
  recordsIfLost: readonly string[]
  /** The final record is being written. From then on a renewal must not create the key again. */
  isReleasing: boolean
}

/** Responses of more than `limits.redis.recordMaxBytes` are not stored. A repeat of such a success looks it up. */
export class RedisIdempotencyStore implements IdempotencyStore {
  readonly #redis: RedisConnection
  readonly #stateEncryptors: readonly Encryptor[]
  readonly #clientSecretEncryptor: Encryptor
  /** Leases of the requests that this replica runs, by id. */
  readonly #leases = new Map<string, ActiveLease>()
  readonly #renewalTimer: NodeJS.Timeout
  readonly #leaseMs: number

  /**
   * @param stateEncryptors one for each state key, newest first
   * @param clientSecretEncryptor encrypts the records that replicas of version 0.1 read
   */
  constructor (
    redis: RedisConnection,
    stateEncryptors: readonly Encryptor[],
    clientSecretEncryptor: Encryptor,
    { leaseMs, leaseRenewMs }: LeaseTiming = limits.redis
  ) {
    this.#redis = redis
    this.#stateEncryptors = stateEncryptors
    this.#clientSecretEncryptor = clientSecretEncryptor
    this.#leaseMs = leaseMs
    this.#renewalTimer = setInterval(() => this.#extendLeases(), leaseRenewMs).unref()
  }

  /** Stops renewing. The remaining leases expire. */
  close (): void {
    clearInterval(this.#renewalTimer)
  }

  /** @throws {StoreUnavailableError} */
  async claim (id: string, fingerprint: string | undefined): Promise<IdempotencyRecord | undefined> {
    const holderId = randomUUID()
    const names = this.#getNames(id)
    const recordsIfLost = encryptLost(id, names, fingerprint)
    const { mayRecoverSoon } = this.#redis
    const args = [holderId, this.#leaseMs, limits.idempotency.ttlMs, ...recordsIfLost]
    const claim = () => this.#run('claim-key', names, args)
    try {
      // A claim may be repeated: the script grants the key to its holder again.
      const reply = await claim().catch(async (error: unknown) => {
        if (mayRecoverSoon && await this.#redis.waitForProbe()) return claim()
        throw error
      })
      if (Array.isArray(reply)) return parseReplies(id, names, reply)
      this.#leases.set(id, { holderId, names, claimedAtMs: monotonicNowMs(), recordsIfLost, isReleasing: false })
      return undefined
    } catch (error) {
      // Redis may have run the script although its reply was lost.
      if (mayRecoverSoon) this.#redis.runOrRetryLater(() => this.#run('release-key', names, [holderId])).catch(() => {})
      throw error
    }
  }

  /**
   * Stores the fingerprint of a running request, so that its outcome can be looked up even if this replica dies. Never
   * rejects: without a fingerprint the outcome stays unknown.
   */
  async setFingerprint (id: string, fingerprint: string): Promise<void> {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    lease.recordsIfLost = encryptLost(id, lease.names, fingerprint)
    await this.#extend(lease)
  }

  /** Returns the record of a key without claiming it. Returns undefined while Redis is unavailable. */
  async peek (id: string): Promise<IdempotencyRecord | undefined> {
    const names = this.#getNames(id)
    const args = ['', this.#leaseMs, limits.idempotency.ttlMs]
    const reply = await this.#run('claim-key', names, args).catch(() => undefined)
    return Array.isArray(reply) ? parseReplies(id, names, reply) : undefined
  }

  /**
   * Resolves when the record was written, or after twice the Redis timeout if it has to be written later. Never
   * rejects.
   */
  async settle (id: string, record: CompletedRecord | IndeterminateRecord): Promise<void> {
    const lease = this.#leases.get(id)
    const names = lease?.names ?? this.#getNames(id)
    const isCompleted = record.state === 'answered' ? '1' : '0'
    const records = encryptRecords(id, names, record)
    const args = [lease?.holderId ?? '', limits.idempotency.ttlMs, isCompleted, ...records]
    await this.#finish(id, lease, () => this.#run('settle-key', names, args))
  }

  /** Resolves as `settle` does. A key that this replica has not claimed is left unchanged. */
  async release (id: string): Promise<void> {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    await this.#finish(id, lease, () => this.#run('release-key', lease.names, [lease.holderId]))
  }

  /**
   * Version 0.1 knows the id itself as the only name, so that name is used too, until no replica of that version runs
   * and its keys have expired.
   */
  #getNames (id: string): readonly KeyName[] {
    return [
      ...this.#stateEncryptors.map(encryptor => ({ redisKey: `key:${encryptor.pseudonymize(id)}`, encryptor })),
      { redisKey: `key:${id}`, encryptor: this.#clientSecretEncryptor },
    ]
  }

  #run (
    script: 'claim-key' | 'extend-key' | 'settle-key' | 'release-key',
    names: readonly KeyName[],
    args: ReadonlyArray<string | number>
  ): Promise<unknown> {
    return this.#redis.script(script, names.map(({ redisKey }) => redisKey), args)
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

  #extendLeases (): void {
    for (const lease of this.#leases.values()) this.#extend(lease).catch(() => {})
  }

  async #extend ({ holderId, names, claimedAtMs, recordsIfLost, isReleasing }: ActiveLease): Promise<void> {
    const claimedAgoMs = isReleasing ? '' : monotonicNowMs() - claimedAtMs
    const args = [holderId, this.#leaseMs, limits.idempotency.ttlMs, claimedAgoMs, ...recordsIfLost]
    await this.#run('extend-key', names, args).catch(() => {})
  }
}

/** Encrypts the record of a request that is about to be sent, as it counts if this replica dies. */
function encryptLost (id: string, names: readonly KeyName[], fingerprint: string | undefined): string[] {
  if (fingerprint === undefined) return names.map(() => '')
  const record: IndeterminateRecord = {
    state: 'unknown', fingerprint, sentAtMs: monotonicNowMs(), code: 'procore_unreachable',
  }
  return encryptRecords(id, names, record)
}

/** Encrypts a record for each name. Without state keys, all names have the same encryption. */
function encryptRecords (
  id: string, names: readonly KeyName[], record: CompletedRecord | IndeterminateRecord
): string[] {
  const encrypted = new Map<Encryptor, string>()
  return names.map(({ encryptor }) => {
    const text = encrypted.get(encryptor) ?? encryptRecord(id, encryptor, record)
    encrypted.set(encryptor, text)
    return text
  })
}

/** Leaves out a large response, since a large value would block Redis. */
function encryptRecord (id: string, encryptor: Encryptor, record: CompletedRecord | IndeterminateRecord): string {
  const encrypted = encryptor.encrypt(id, serialize(record))
  if (encrypted.length <= limits.redis.recordMaxBytes || record.state === 'unknown') return encrypted
  return encryptor.encrypt(id, serialize(withoutResponse(record)))
}

/**
 * Returns what is known about a key: that it is running under one of its names, or the most that one of its records
 * says.
 */
function parseReplies (id: string, names: readonly KeyName[], replies: readonly unknown[]): IdempotencyRecord {
  const records = names.flatMap(({ encryptor }, index) => {
    const reply: unknown = replies[index]
    return Array.isArray(reply) && reply[0] !== '' ? [parseReply(id, encryptor, reply)] : []
  })
  return records.find(({ state }) => state === 'running') ??
    records.find(({ state }) => state === 'answered') ??
    records.find(record => record.state === 'unknown' && record.fingerprint !== '') ??
    records[0] ?? lostRecord(monotonicNowMs())
}

function parseReply (
  id: string, encryptor: Encryptor, [state, encrypted, agoMs]: readonly unknown[]
): IdempotencyRecord {
  if (state === 'running') return { state: 'running' }
  const claimedAtMs = monotonicNowMs() - Number(agoMs)
  const hasRecord = typeof encrypted === 'string' && encrypted !== ''
  const record = hasRecord ? deserialize(encryptor.decrypt(id, encrypted), claimedAtMs) : undefined
  return record ?? lostRecord(claimedAtMs)
}

/** The replica died before the body was complete, or the record was encrypted with a key that is not known. */
function lostRecord (sentAtMs: number): IndeterminateRecord {
  return { state: 'unknown', fingerprint: '', sentAtMs, code: 'procore_unreachable' }
}
