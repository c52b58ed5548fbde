/**
 * Shares one access token among all replicas. The first replica that needs a new token takes a lock in Redis and
 * requests it; the others read it from Redis. The token is encrypted there, and its Redis key contains the id of the
 * encryption key, which is derived from the client secret. While Redis is unavailable, each replica requests its own
 * token.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { FetchAccessToken, AccessToken } from '../procore/auth/token-request.ts'
import { redisKeyPrefix, StoreUnavailableError, type RedisConnection } from './redis.ts'
import type { Encryptor } from './encryption.ts'

const AccessTokenSchema = Type.Object({ value: Type.String(), issuedAtMs: Type.Number(), lifetimeMs: Type.Number() })

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
    const deadlineMs = Date.now() + limits.accessToken.lockMs
    do {
      const stored = await this.#readStored(previousToken)
      if (stored !== undefined) return stored
      const locked = await this.#redis.script('lock', [this.#lockRedisKey], [holderId, limits.accessToken.lockMs])
      if (locked === 1) return await this.#fetchLocked(previousToken, fetchAccessToken, holderId)
      await sleep(limits.accessToken.pollMs * (0.5 + Math.random()))
    } while (Date.now() < deadlineMs)
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
    const accessToken = await fetchAccessToken(previousToken)
    const redisKey = this.#tokenRedisKey
    const encrypted = this.#encryptor.encrypt(redisKey, accessToken)
    const ttlMs = Math.max(1, Math.ceil(accessToken.lifetimeMs))
    await this.#redis.run(client => client.set(redisKeyPrefix + redisKey, encrypted, 'PX', ttlMs)).catch(() => {})
    return accessToken
  }

  async #readStored (previousToken: string | undefined): Promise<AccessToken | undefined> {
    const redisKey = this.#tokenRedisKey
    const encrypted = await this.#redis.run(client => client.get(redisKeyPrefix + redisKey))
    const accessToken = encrypted === null ? undefined : this.#encryptor.decrypt(redisKey, encrypted)
    if (!Value.Check(AccessTokenSchema, accessToken) || accessToken.value === previousToken) return undefined
    return Date.now() < accessToken.issuedAtMs + accessToken.lifetimeMs ? accessToken : undefined
  }

  get #tokenRedisKey (): string {
    return `token:${this.#encryptor.keyId}`
  }

  get #lockRedisKey (): string {
    return `token-lock:${this.#encryptor.keyId}`
  }
}
