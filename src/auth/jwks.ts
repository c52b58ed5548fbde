/**
 * The public keys of whoever issues the callers' tokens: fetched from the JWKS URL, renewed at intervals and when a token names a key
 * that is not among them, and kept in use while the issuer is away. Attempts are shared, and after each there is a pause; one that
 * failed is repeated after it, so that what is told of the issuer does not wait for a caller.
 */
import { createRemoteJWKSet, customFetch, errors, type CryptoKey, type FlattenedJWSInput, type JWSHeaderParameters, type RemoteJWKSet } from 'jose'
import { fetch } from 'undici'
import { openConnections, type Connections, type Proxy } from '../http/connection-pool.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { Standing } from '../telemetry/dependency-status.ts'

/** The part of the log that the keys speak to. */
export interface KeysLog {
  warn (fields: object, message: string): void
}

/** RFC 7517 §5. An attempt has `limits.jwks.timeoutMs`, and `limits.jwks.cooldownMs` pass before the next one; keys once had stay in use until others come. */
export class IssuerKeys {
  readonly #set: RemoteJWKSet
  readonly #log: KeysLog
  readonly #connections: Connections
  #closed = false
  #attempt: Promise<boolean> | undefined
  #attemptedAtMs = -Infinity
  #timer: NodeJS.Timeout | undefined
  /** Whether the last attempt brought keys. */
  readonly standing = new Standing()

  constructor (url: string, proxy: Proxy, log: KeysLog) {
    this.#log = log
    this.#connections = openConnections(new URL(url).origin, 1, proxy)
    const { dispatcher } = this.#connections
    // When to fetch is decided here, since jose would ask again for every request while the issuer is away.
    this.#set = createRemoteJWKSet(new URL(url), {
      timeoutDuration: limits.jwks.timeoutMs,
      cooldownDuration: Infinity,
      cacheMaxAge: Infinity,
      [customFetch]: async (resource, { headers, signal }) => {
        const answer = await fetch(resource, { dispatcher, headers: [...headers], signal, redirect: 'error' })
        return new Response(await answer.text(), { status: answer.status })
      },
    })
  }

  /** Makes an attempt that nobody waits for, such as the first, so that the first caller need not. */
  start (): void {
    this.#fetch().catch(() => {})
  }

  /** No attempt follows. */
  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#connections.dispatcher.destroy()
  }

  /** The key that verifies a token. @throws {Problem} `identity_unavailable`; JWKSNoMatchingKey and other errors of jose's */
  readonly find = async (header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> => {
    if (this.#set.jwks() === undefined) await this.#renew()
    else if (this.#ageMs > limits.jwks.maxAgeMs) this.start()
    if (this.#set.jwks() === undefined) throw this.#unavailable()
    try {
      return await this.#set(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#renew()
      // The issuer may have new keys that can't be had now: then nobody can say that the token is wrong.
      if (!this.standing.isUp) throw this.#unavailable()
      return this.#set(header, token)
    }
  }

  get #ageMs (): number {
    return Date.now() - this.#attemptedAtMs
  }

  async #renew (): Promise<void> {
    if (this.#attempt !== undefined || this.#ageMs >= limits.jwks.cooldownMs) await this.#fetch()
  }

  #fetch (): Promise<boolean> {
    this.#attempt ??= this.#try().finally(() => { this.#attempt = undefined })
    return this.#attempt
  }

  async #try (): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#attemptedAtMs = Date.now()
    try {
      await this.#set.reload()
      this.standing.set(true)
    } catch (error) {
      this.standing.set(false)
      // What fails because the connections are being closed is no news.
      if (!this.#closed) this.#failed(error)
    }
    return this.standing.isUp
  }

  #failed (error: unknown): void {
    this.#log.warn({ err: error }, 'no keys to verify callers with')
    this.#timer = setTimeout(() => this.start(), limits.jwks.cooldownMs).unref()
  }

  #unavailable (): Problem {
    return new Problem('identity_unavailable', 'The keys to verify callers with can\'t be had.', { headers: { 'retry-after': String(Math.ceil(limits.jwks.cooldownMs / 1000)) } })
  }
}
