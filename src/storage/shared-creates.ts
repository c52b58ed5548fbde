/**
 * Shares recent creates among all replicas, by an HMAC of company and address: a record that the create of one replica
 * made must not be attributed to the create of another. Procore creates a record after the last byte of a request, so a
 * create is added then.
 */
import { toWallTimeMs } from '../util/clock.ts'
import { limits } from '../config/limits.ts'
import { redisKeyPrefix, type RedisConnection } from './redis.ts'
import type { Encryptor } from './encryption.ts'

/** One create of a record with this address. */
export interface SharedCreate {
  /** The same for all repeats with one idempotency key, so that a repeat is no duplicate of the first request. */
  id: string
  companyId: number | undefined
  address: string
}

/** Holds the latest `limits.recentCreates.perEmailMax` creates of an address, as long as an idempotency key. */
export class SharedCreates {
  readonly #redis: RedisConnection
  readonly #encryptors: readonly Encryptor[]

  /** @param encryptors one for each state key */
  constructor (redis: RedisConnection, encryptors: readonly Encryptor[]) {
    this.#redis = redis
    this.#encryptors = encryptors
  }

  /** Adds a create, later if Redis is unavailable. */
  add (create: SharedCreate, sentAtMs: number): void {
    const args = [create.id, toWallTimeMs(sentAtMs), limits.recentCreates.perEmailMax, limits.idempotency.ttlMs]
    this.#redis.runOrRetryLater(() => this.#redis.script('add-create', this.#getNames(create), args)).catch(() => {})
  }

  /** Removes a create that certainly made no record. */
  remove (create: SharedCreate): void {
    for (const name of this.#getNames(create)) {
      const remove = () => this.#redis.run(client => client.zrem(redisKeyPrefix + name, create.id))
      this.#redis.runOrRetryLater(remove).catch(() => {})
    }
  }

  /** Whether another create may have been sent in this time. Without Redis it is unknown, so the answer is yes. */
  async hasOther (create: SharedCreate, fromMs: number, toMs: number): Promise<boolean> {
    const [min, max] = [toWallTimeMs(fromMs), toWallTimeMs(toMs)]
    try {
      const found = await Promise.all(this.#getNames(create).map(name => {
        return this.#redis.run(client => client.zrangebyscore(redisKeyPrefix + name, min, max))
      }))
      return found.flat().some(id => id !== create.id)
    } catch {
      return true
    }
  }

  #getNames ({ companyId, address }: SharedCreate): string[] {
    return this.#encryptors.map(encryptor => `creates:${encryptor.pseudonymize(`${companyId} ${address}`)}`)
  }
}
