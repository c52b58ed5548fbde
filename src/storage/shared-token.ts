/**
 * Shares one access token among all replicas. The first replica that needs a new token takes a lock in Redis and
 * requests it; the others read it from Redis. The token is encrypted there, and its Redis key contains the id of the
 * encryption key, which is derived from the client secret. A wait that the login host asks for is shared in the same
 * way: no replica sends a request before its end, and then one of them does. While Redis is unavailable, each replica
 * requests its own token.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { limits } from '../config/limits.ts'
import { getRetryAfterMs, Problem, retryAfterExtras } from '../server/problem.ts'
import type { FetchAccessToken, AccessToken } from '../procore/auth/token-request.ts'
import { redisKeyPrefix, StoreUnavailableError, type RedisConnection } from './redis.ts'
import type { Encryptor } from './encryption.ts'

const AccessTokenSchema = Type.Object({ value: Type.String(), lifetimeMs: Type.Number() })

/** Wraps a token request with the shared token. It never returns the token that is to be replaced. */
export function withSharedAccessToken (
  redis: RedisConnection, encryptor: Encryptor, fetchAccessToken: FetchAccessToken
): FetchAccessToken {
  const shared = new SharedAccessToken(redis, encryptor)
  return async previousToken => {
    const holderId = randomUUID()
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await shared.acquire(previousToken, fetchAccessToken, holderId)
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
        if (isFirst && await redis.waitForProbe()) continue
        shared.abandonLock(holderId)
        return fetchAccessToken(previousToken)
      }
    }
  }
}

class SharedAccessToken {
  readonly #redis: RedisConnection
  readonly #encryptor: Encryptor

  constructor (redis: RedisConnection, encryptor: Encryptor) {
    this.#redis = redis
    this.#encryptor = encryptor
  }

  /** Reads the token, or requests it under the lock. If a request fails, the next replica takes the lock. */
  async acquire (
    previousToken: string | undefined, fetchAccessToken: FetchAccessToken, holderId: string
  ): Promise<AccessToken> {
    const deadlineMs = performance.now() + limits.accessToken.lockMs
    do {
      const stored = await this.#readStored(previousToken)
      if (stored !== undefined) return stored
      const locked = await this.#redis.script('lock', [this.#lockRedisKey], [holderId, limits.accessToken.lockMs])
      if (locked === 1) return await this.#fetchLocked(previousToken, fetchAccessToken, holderId)
      await sleep(limits.accessToken.pollMs * (0.5 + Math.random()))
    } while (performance.now() < deadlineMs)
    throw new Problem('procore_unavailable', 'No replica obtained an access token in time.', { outcome: 'not_sent' })
  }

  /**
   * Releases the lock, later if Redis is unavailable. Redis may have granted it although its reply was lost, and the
   * other replicas must not wait for one that continues without Redis.
   */
  abandonLock (holderId: string): void {
    this.#redis.runOrRetryLater(() => this.#redis.script('unlock', [this.#lockRedisKey], [holderId])).catch(() => {})
  }

  async #fetchLocked (
    previousToken: string | undefined, fetchAccessToken: FetchAccessToken, holderId: string
  ): Promise<AccessToken> {
    try {
      return await this.#readStored(previousToken) ?? await this.#fetchAndStore(previousToken, fetchAccessToken)
    } finally {
      // A lock that cannot be released expires.
      await this.#redis.script('unlock', [this.#lockRedisKey], [holderId]).catch(() => {})
    }
  }

  async #fetchAndStore (
    previousToken: string | undefined, fetchAccessToken: FetchAccessToken
  ): Promise<AccessToken> {
    const accessToken = await fetchAccessToken(previousToken).catch(async (error: unknown) => {
      if (error instanceof Problem) await this.#storeWait(getRetryAfterMs(error))
      throw error
    })
    const { value, issuedAtMs, lifetimeMs } = accessToken
    const redisKey = this.#tokenRedisKey
    const encrypted = this.#encryptor.encrypt(redisKey, { value, lifetimeMs })
    const ttlMs = Math.max(1, Math.ceil(issuedAtMs + lifetimeMs - performance.now()))
    await this.#redis.run(client => client.set(redisKeyPrefix + redisKey, encrypted, 'PX', ttlMs)).catch(() => {})
    return accessToken
  }

  async #storeWait (waitMs: number): Promise<void> {
    if (waitMs === 0) return
    const name = redisKeyPrefix + this.#waitRedisKey
    await this.#redis.run(client => client.set(name, '', 'PX', waitMs)).catch(() => {})
  }

  /**
   * Reads the token. Its age follows from the remaining time in Redis, so that no replica depends on the clock of
   * another.
   * @throws {Problem} `procore_unavailable`, if there is none and the login host asks for a wait
   */
  async #readStored (previousToken: string | undefined): Promise<AccessToken | undefined> {
    const redisKey = this.#tokenRedisKey
    const readAtMs = performance.now()
    const [encrypted, ttlMs, waitMs] = await this.#redis.run(client => Promise.all([
      client.get(redisKeyPrefix + redisKey),
      client.pttl(redisKeyPrefix + redisKey),
      client.pttl(redisKeyPrefix + this.#waitRedisKey),
    ]))
    const stored = encrypted === null || ttlMs <= 0 ? undefined : this.#encryptor.decrypt(redisKey, encrypted)
    if (Value.Check(AccessTokenSchema, stored) && stored.value !== previousToken) {
      const { value, lifetimeMs } = stored
      return { value, lifetimeMs, issuedAtMs: readAtMs + ttlMs - lifetimeMs }
    }
    if (waitMs <= 0) return undefined
    const detail = 'Procore\'s login host asks for a pause before the next access token.'
    throw new Problem('procore_unavailable', detail, { outcome: 'not_sent', ...retryAfterExtras(waitMs) })
  }

  get #tokenRedisKey (): string {
    return `token:${this.#encryptor.keyId}`
  }

  get #waitRedisKey (): string {
    return `token-wait:${this.#encryptor.keyId}`
  }

  get #lockRedisKey (): string {
    return `token-lock:${this.#encryptor.keyId}`
  }
}
