/**
 * One token for all replicas: the one who needs a new token first asks for it under a lock, the others take it from the store. It is
 * sealed there, and bound to the credentials by their key's id. While the store is away each replica asks for its own.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { limits } from '../limits.ts'
import type { RequestToken, Token } from '../procore/login.ts'
import { keyPrefix, StoreAway, type SharedStore } from './redis.ts'
import type { Seal } from './seal.ts'

const TokenSchema = Type.Object({ value: Type.String(), issuedAtMs: Type.Number(), lifetimeMs: Type.Number() })

/** Asks through the store: what comes is never the token that is to be replaced. */
export function sharedTokenRequest (store: SharedStore, seal: Seal, request: RequestToken): RequestToken {
  const shared = new SharedToken(store, seal)
  return async replaced => {
    try {
      return await shared.take(replaced, request)
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error
      return request(replaced)
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

  async take (replaced: string | undefined, request: RequestToken): Promise<Token> {
    const known = await this.#read(replaced)
    if (known !== undefined) return known
    const holder = randomUUID()
    const lock = `token-lock:${this.#seal.keyId}`
    const isLocked = await this.#store.run(client => client.set(`${keyPrefix}${lock}`, holder, 'PX', limits.tokenLockMs, 'NX'))
    if (isLocked === null) return await this.#wait(replaced) ?? request(replaced)
    try {
      return await this.#read(replaced) ?? await this.#renew(replaced, request)
    } finally {
      // A lock that can't be given up ends by itself.
      await this.#store.script('unlock', [lock], [holder]).catch(() => {})
    }
  }

  async #renew (replaced: string | undefined, request: RequestToken): Promise<Token> {
    const token = await request(replaced)
    const name = this.#name
    await this.#store.run(client => client.set(`${keyPrefix}${name}`, this.#seal.close(name, token), 'PX', Math.max(1, Math.ceil(token.lifetimeMs)))).catch(() => {})
    return token
  }

  /** Another replica is asking. Nothing when it got none in its time. */
  async #wait (replaced: string | undefined): Promise<Token | undefined> {
    for (let waitedMs = 0; waitedMs < limits.tokenTimeoutMs; waitedMs += limits.tokenLookMs) {
      await sleep(limits.tokenLookMs)
      const token = await this.#read(replaced)
      if (token !== undefined) return token
      const lock = await this.#store.run(client => client.exists(`${keyPrefix}token-lock:${this.#seal.keyId}`))
      if (lock === 0) return this.#read(replaced)
    }
    return undefined
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
}
