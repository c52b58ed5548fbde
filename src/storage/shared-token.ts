/**
 * One token for all replicas: the one who needs a new token first asks for it under a lock, the others take it from the store. It is
 * sealed there, and bound to the credentials by their key's id. While the store is away each replica asks for its own.
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

/** Asks through the store: what comes is never the token that is to be replaced. */
export function withSharedAccessToken (redis: RedisConnection, seal: Encryptor, fetchAccessToken: FetchAccessToken): FetchAccessToken {
  const shared = new SharedAccessToken(redis, seal)
  return async previousToken => {
    const holder = randomUUID()
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await shared.acquire(previousToken, fetchAccessToken, holder)
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
        if (isFirst && await redis.waitForProbe()) continue
        shared.abandonLock(holder)
        return fetchAccessToken(previousToken)
      }
    }
  }
}

class SharedAccessToken {
  readonly #redis: RedisConnection
  readonly #encryptor: Encryptor

  constructor (redis: RedisConnection, seal: Encryptor) {
    this.#redis = redis
    this.#encryptor = seal
  }

  /** Whoever has the lock asks; when it got none, the next one has the lock. */
  async acquire (previousToken: string | undefined, fetchAccessToken: FetchAccessToken, holder: string): Promise<AccessToken> {
    const deadlineMs = Date.now() + limits.accessToken.lockMs
    do {
      const stored = await this.#readStored(previousToken)
      if (stored !== undefined) return stored
      if (await this.#redis.script('lock', [this.#lockRedisKey], [holder, limits.accessToken.lockMs]) === 1) return await this.#fetchLocked(previousToken, fetchAccessToken, holder)
      await sleep(limits.accessToken.pollMs * (0.5 + Math.random()))
    } while (Date.now() < deadlineMs)
    throw new Problem('procore_unavailable', 'No replica got a token in time.', { outcome: 'not_sent' })
  }

  /** The lock may have been taken although the answer was lost: the others must not wait for whoever goes on without the store. */
  abandonLock (holder: string): void {
    this.#redis.runOrRetryLater(() => this.#redis.script('unlock', [this.#lockRedisKey], [holder])).catch(() => {})
  }

  async #fetchLocked (previousToken: string | undefined, fetchAccessToken: FetchAccessToken, holder: string): Promise<AccessToken> {
    try {
      return await this.#readStored(previousToken) ?? await this.#fetchAndStore(previousToken, fetchAccessToken)
    } finally {
      // A lock that can't be given up ends by itself.
      await this.#redis.script('unlock', [this.#lockRedisKey], [holder]).catch(() => {})
    }
  }

  async #fetchAndStore (previousToken: string | undefined, fetchAccessToken: FetchAccessToken): Promise<AccessToken> {
    const accessToken = await fetchAccessToken(previousToken)
    const redisKey = this.#tokenRedisKey
    await this.#redis.run(client => client.set(`${redisKeyPrefix}${redisKey}`, this.#encryptor.encrypt(redisKey, accessToken), 'PX', Math.max(1, Math.ceil(accessToken.lifetimeMs)))).catch(() => {})
    return accessToken
  }

  async #readStored (previousToken: string | undefined): Promise<AccessToken | undefined> {
    const redisKey = this.#tokenRedisKey
    const encrypted = await this.#redis.run(client => client.get(`${redisKeyPrefix}${redisKey}`))
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
