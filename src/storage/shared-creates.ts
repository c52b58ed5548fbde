/**
 * Shares recent creates among all replicas, by an HMAC of company and address: a record that the create of one replica
 * made must not be attributed to the create of another. Procore creates a record after the last byte of a request, so a
 * create is added then.
 */
import { setTimeout as sleep } from 'node:timers/promises'
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

/** A create that is not in Redis yet. */
interface PendingCreate {
  create: SharedCreate
  sentAtMs: number
}

/**
 * Holds the latest `limits.recentCreates.perEmailMax` creates of an address, as long as an idempotency key. Creates are
 * written together, at the latest after `limits.recentCreates.shareMs`: only a lookup reads them, and it waits for this
 * time.
 */
export class SharedCreates {
  readonly #redis: RedisConnection
  readonly #encryptors: readonly Encryptor[]
  /** By id. */
  readonly #pending = new Map<string, PendingCreate>()
  #timer: NodeJS.Timeout | undefined

  /** @param encryptors one for each state key */
  constructor (redis: RedisConnection, encryptors: readonly Encryptor[]) {
    this.#redis = redis
    this.#encryptors = encryptors
  }

  /** Adds a create, later if Redis is unavailable. */
  add (create: SharedCreate, sentAtMs: number): void {
    const { batchMax, shareMs } = limits.recentCreates
    this.#pending.set(create.id, { create, sentAtMs })
    if (this.#pending.size >= batchMax) this.write()
    else this.#timer ??= setTimeout(() => this.write(), shareMs).unref()
  }

  /** Removes a create that certainly made no record. */
  remove (create: SharedCreate): void {
    if (this.#pending.delete(create.id)) return
    for (const name of this.#getNames(create)) {
      const remove = () => this.#redis.run(client => client.zrem(redisKeyPrefix + name, create.id))
      this.#redis.runOrRetryLater(remove).catch(() => {})
    }
  }

  /** Writes the creates that are not in Redis yet. */
  write (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#pending.size === 0) return
    const names: string[] = []
    const args: Array<string | number> = [limits.recentCreates.perEmailMax, limits.idempotency.ttlMs]
    for (const { create, sentAtMs } of this.#pending.values()) {
      for (const name of this.#getNames(create)) {
        names.push(name)
        args.push(create.id, toWallTimeMs(sentAtMs))
      }
    }
    this.#pending.clear()
    this.#redis.runOrRetryLater(() => this.#redis.script('add-creates', names, args)).catch(() => {})
  }

  /** Whether another create may have been sent in this time. Without Redis it is unknown, so the answer is yes. */
  async hasOther (create: SharedCreate, fromMs: number, toMs: number): Promise<boolean> {
    const [min, max] = [toWallTimeMs(fromMs), toWallTimeMs(toMs)]
    // Until then, all replicas have written the creates that may have made a record that exists now.
    await sleep(limits.recentCreates.shareMs + limits.redis.timeoutMs)
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
