/**
 * Stores imports in Redis, so that another replica can resume them. A replica renews its lease on a company while it
 * imports; if it dies, the lease expires. Batches are encrypted, since the errors of rows may contain personal data.
 */
import { randomUUID } from 'node:crypto'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { stringEnum } from '../endpoints/string-enum.ts'
import { FieldErrorSchema, overloadedProblem } from '../server/problem.ts'
import { fromWallTimeMs, toWallTimeMs } from '../util/clock.ts'
import type { Encryptor } from './encryption.ts'
import type { ImportBatch, ImportIdentity, ImportLease, ImportStore } from './import-store.ts'
import { MemoryImportStore } from './memory-import-store.ts'
import { redisKeyPrefix, StoreUnavailableError, type LeaseTiming, type RedisConnection } from './redis.ts'

/** The names are a format that Redis stores: do not rename them. */
const ResultSchema = Type.Union([
  Type.Object({ status: stringEnum(['created', 'updated']), id: Type.Integer() }),
  Type.Object({ status: Type.Literal('rejected'), errors: Type.Array(FieldErrorSchema) }),
  Type.Object({ status: Type.Literal('unknown') }),
])

const StoredBatchSchema = Type.Object({
  rows: Type.Array(Type.Integer()),
  ids: Type.Array(Type.Union([Type.Integer(), Type.Null()])),
  fingerprint: Type.String(),
  sentAtMs: Type.Number(),
  results: Type.Optional(Type.Array(ResultSchema)),
})

const IdentitySchema = Type.Object({
  mode: stringEnum(['create', 'upsert']),
  digests: Type.Optional(Type.Array(Type.String())),
})

/** While Redis is unavailable, imports are refused, or use the memory of this replica, as the policy says. */
export class RedisImportStore implements ImportStore {
  readonly #redis: RedisConnection
  /** One for each state key, newest first. */
  readonly #encryptors: readonly [Encryptor, ...Encryptor[]]
  readonly #outagePolicy: Config['storage']['redisOutagePolicy']
  readonly #timing: LeaseTiming
  readonly #local = new MemoryImportStore()

  constructor (
    redis: RedisConnection,
    encryptors: readonly [Encryptor, ...Encryptor[]],
    outagePolicy: Config['storage']['redisOutagePolicy'],
    timing: LeaseTiming = limits.redis
  ) {
    this.#redis = redis
    this.#encryptors = encryptors
    this.#outagePolicy = outagePolicy
    this.#timing = timing
  }

  async lease (companyId: number): Promise<ImportLease | undefined> {
    const local = await this.#local.lease(companyId)
    if (local === undefined) return undefined
    const lease = new RedisImportLease(this.#redis, this.#encryptors, companyId, this.#timing, local)
    try {
      if (await lease.acquire()) return lease
      await local.release()
      return undefined
    } catch (error) {
      if (error instanceof StoreUnavailableError && this.#outagePolicy !== 'refuse') return local
      await lease.release()
      throw error instanceof StoreUnavailableError ? unavailableProblem() : error
    }
  }
}

const unavailableProblem = () =>
  overloadedProblem('Redis, which stores the progress of imports, is unavailable.', { outcome: 'not_sent' })

class RedisImportLease implements ImportLease {
  readonly #redis: RedisConnection
  readonly #encryptors: readonly [Encryptor, ...Encryptor[]]
  readonly #timing: LeaseTiming
  readonly #local: ImportLease
  readonly #holderId = randomUUID()
  /** One name for all state keys, so that replicas with and without the newest one see the same lease. */
  readonly #redisKey: string
  readonly #lost = new AbortController()
  readonly signal = this.#lost.signal
  #renewedAtMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor (
    redis: RedisConnection,
    encryptors: readonly [Encryptor, ...Encryptor[]],
    companyId: number,
    timing: LeaseTiming,
    local: ImportLease
  ) {
    this.#redis = redis
    this.#encryptors = encryptors
    this.#timing = timing
    this.#local = local
    this.#redisKey = `import-lease:${companyId}`
  }

  /** @throws {StoreUnavailableError} */
  async acquire (): Promise<boolean> {
    const isAcquired = await this.#retryOnce(() => this.#lock())
    if (isAcquired) this.#timer = setInterval(() => this.#renew(), this.#timing.leaseRenewMs).unref()
    return isAcquired
  }

  async loadIdentity (importId: string): Promise<ImportIdentity | undefined> {
    const identity = await this.#load(importId, 'identity', IdentitySchema)
    return identity && { mode: identity.mode, digests: identity.digests }
  }

  saveIdentity (importId: string, identity: ImportIdentity): Promise<void> {
    return this.#save(importId, 'identity', identity)
  }

  /** A batch that cannot be decrypted or read counts as not sent: its people are then found in the directory. */
  async load (importId: string, index: number): Promise<ImportBatch | undefined> {
    const batch = await this.#load(importId, index, StoredBatchSchema)
    return batch && fromStored(batch)
  }

  save (importId: string, index: number, batch: ImportBatch): Promise<void> {
    return this.#save(importId, index, toStored(batch))
  }

  async #load<T extends TSchema> (
    importId: string, field: number | 'identity', schema: T
  ): Promise<Static<T> | undefined> {
    for (const encryptor of this.#encryptors) {
      const name = getName(encryptor, importId)
      const read = () => this.#redis.run(client => client.hget(redisKeyPrefix + name, String(field)))
      const encrypted = await this.#retryOnce(read).catch(toProblem)
      const value = encrypted === null ? undefined : encryptor.decrypt(`${name} ${field}`, encrypted)
      if (Value.Check(schema, value)) return value
    }
    return undefined
  }

  remove (importId: string, index: number): Promise<void> {
    return this.#store(getName(this.#encryptors[0], importId), index, '')
  }

  #save (importId: string, field: number | 'identity', value: unknown): Promise<void> {
    const [encryptor] = this.#encryptors
    const name = getName(encryptor, importId)
    return this.#store(name, field, encryptor.encrypt(`${name} ${field}`, value))
  }

  /** @param value the field is removed if it is empty */
  async #store (name: string, field: number | 'identity', value: string): Promise<void> {
    const args = [this.#holderId, field, value, limits.idempotency.ttlMs]
    const save = () => this.#redis.script('save-import-batch', [this.#redisKey, name], args)
    // Storing it twice has the same effect, so it is repeated if the reply was lost.
    const isSaved = await this.#retryOnce(save).catch(toProblem)
    if (isSaved !== 1) this.#lose()
    this.signal.throwIfAborted()
  }

  async release (): Promise<void> {
    clearInterval(this.#timer)
    await this.#local.release()
    const unlock = () => this.#redis.script('unlock', [this.#redisKey], [this.#holderId])
    this.#redis.runOrRetryLater(unlock).catch(() => {})
  }

  async #lock (): Promise<boolean> {
    const startedAtMs = performance.now()
    const reply = await this.#redis.script('lock', [this.#redisKey], [this.#holderId, this.#timing.leaseMs])
    if (reply === 1) this.#renewedAtMs = startedAtMs
    return reply === 1
  }

  /** The lease is lost if another replica has it, or if it may have expired meanwhile. */
  async #renew (): Promise<void> {
    const isRenewed = await this.#lock().catch(() => undefined)
    const isExpired = performance.now() - this.#renewedAtMs >= this.#timing.leaseMs
    if (isRenewed === false || isExpired) this.#lose()
  }

  #lose (): void {
    clearInterval(this.#timer)
    this.#lost.abort(overloadedProblem('This replica has lost the lease of the import. Repeat it with the same key.'))
  }

  /** A short stall of Redis does not end an import. */
  async #retryOnce<T> (call: () => Promise<T>): Promise<T> {
    const { mayRecoverSoon } = this.#redis
    try {
      return await call()
    } catch (error) {
      if (mayRecoverSoon && error instanceof StoreUnavailableError && await this.#redis.waitForProbe()) return call()
      throw error
    }
  }
}

function toProblem (error: unknown): never {
  throw error instanceof StoreUnavailableError ? unavailableProblem() : error
}

const getName = (encryptor: Encryptor, importId: string) => `import:${encryptor.pseudonymize(importId)}`

const toStored = ({ sentAtMs, ...batch }: ImportBatch) => ({ ...batch, sentAtMs: toWallTimeMs(sentAtMs) })

function fromStored ({ sentAtMs, results, ...batch }: Static<typeof StoredBatchSchema>): ImportBatch {
  return { ...batch, results, sentAtMs: fromWallTimeMs(sentAtMs) }
}
