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
import type { RequestToken, Token } from '../procore/auth/token-request.ts'
import { keyPrefix, StoreAway, type SharedStore } from './redis.ts'
import type { Seal } from './encryption.ts'

const TokenSchema = Type.Object({ value: Type.String(), issuedAtMs: Type.Number(), lifetimeMs: Type.Number() })

/** Asks through the store: what comes is never the token that is to be replaced. */
export function sharedTokenRequest (store: SharedStore, seal: Seal, request: RequestToken): RequestToken {
  const shared = new SharedToken(store, seal)
  return async replaced => {
    const holder = randomUUID()
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await shared.take(replaced, request, holder)
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error
        if (isFirst && await store.isBack()) continue
        shared.giveUp(holder)
        return request(replaced)
      }
    }
  }
}

class SharedToken {
  readonly #store: SharedStore
  readonly #seal: Seal

  constructor (store: SharedStore, seal: Seal) {
    this.#store = store
    this.#seal = seal
  }

  /** Whoever has the lock asks; when it got none, the next one has the lock. */
  async take (replaced: string | undefined, request: RequestToken, holder: string): Promise<Token> {
    const endsAtMs = Date.now() + limits.accessToken.lockMs
    do {
      const known = await this.#read(replaced)
      if (known !== undefined) return known
      if (await this.#store.script('lock', [this.#lock], [holder, limits.accessToken.lockMs]) === 1) return await this.#takeLocked(replaced, request, holder)
      await sleep(limits.accessToken.pollMs * (0.5 + Math.random()))
    } while (Date.now() < endsAtMs)
    throw new Problem('procore_unavailable', 'No replica got a token in time.', { outcome: 'not_sent' })
  }

  /** The lock may have been taken although the answer was lost: the others must not wait for whoever goes on without the store. */
  giveUp (holder: string): void {
    this.#store.eventually(() => this.#store.script('unlock', [this.#lock], [holder])).catch(() => {})
  }

  async #takeLocked (replaced: string | undefined, request: RequestToken, holder: string): Promise<Token> {
    try {
      return await this.#read(replaced) ?? await this.#renew(replaced, request)
    } finally {
      // A lock that can't be given up ends by itself.
      await this.#store.script('unlock', [this.#lock], [holder]).catch(() => {})
    }
  }

  async #renew (replaced: string | undefined, request: RequestToken): Promise<Token> {
    const token = await request(replaced)
    const name = this.#name
    await this.#store.run(client => client.set(`${keyPrefix}${name}`, this.#seal.close(name, token), 'PX', Math.max(1, Math.ceil(token.lifetimeMs)))).catch(() => {})
    return token
  }

  async #read (replaced: string | undefined): Promise<Token | undefined> {
    const name = this.#name
    const sealed = await this.#store.run(client => client.get(`${keyPrefix}${name}`))
    const token = sealed === null ? undefined : this.#seal.open(name, sealed)
    if (!Value.Check(TokenSchema, token) || token.value === replaced) return undefined
    return Date.now() < token.issuedAtMs + token.lifetimeMs ? token : undefined
  }

  get #name (): string {
    return `token:${this.#seal.keyId}`
  }

  get #lock (): string {
    return `token-lock:${this.#seal.keyId}`
  }
}
