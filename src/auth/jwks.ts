/**
 * The public keys of whoever issues the callers' tokens: fetched from the JWKS URL, renewed at intervals and when a token names a key
 * that is not among them, and kept in use while the issuer is away. Attempts are shared, and after each there is a pause; one that
 * failed is repeated after it, so that what is told of the issuer does not wait for a caller.
 */
import { createRemoteJWKSet, customFetch, errors, type CryptoKey, type FlattenedJWSInput, type JWSHeaderParameters, type RemoteJWKSet } from 'jose'
import { fetch } from 'undici'
import { createUpstreamPool, type UpstreamPool, type ProxyConfig } from '../http/connection-pool.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'

/** RFC 7517 §5. An attempt has `limits.jwks.timeoutMs`, and `limits.jwks.cooldownMs` pass before the next one; keys once had stay in use until others come. */
export class JwksCache {
  readonly #jwks: RemoteJWKSet
  readonly #log: Logger
  readonly #pool: UpstreamPool
  #isClosed = false
  #pendingFetch: Promise<boolean> | undefined
  #lastFetchAtMs = -Infinity
  #retryTimer: NodeJS.Timeout | undefined
  /** Whether the last attempt brought keys. */
  readonly status = new DependencyStatus()

  constructor (url: string, proxy: ProxyConfig, log: Logger) {
    this.#log = log
    this.#pool = createUpstreamPool(new URL(url).origin, 1, proxy)
    const { dispatcher } = this.#pool
    // When to fetch is decided here, since jose would ask again for every request while the issuer is away.
    this.#jwks = createRemoteJWKSet(new URL(url), {
      timeoutDuration: limits.jwks.timeoutMs,
      cooldownDuration: Infinity,
      cacheMaxAge: Infinity,
      [customFetch]: async (resource, { headers, signal }) => {
        const response = await fetch(resource, { dispatcher, headers: [...headers], signal, redirect: 'error' })
        return new Response(await response.text(), { status: response.status })
      },
    })
  }

  /** Makes an attempt that nobody waits for, such as the first, so that the first caller need not. */
  fetchInBackground (): void {
    this.#joinFetch().catch(() => {})
  }

  /** No attempt follows. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retryTimer)
    await this.#pool.dispatcher.destroy()
  }

  /** The key that verifies a token. @throws {Problem} `identity_unavailable`; JWKSNoMatchingKey and other errors of jose's */
  readonly getKey = async (header: JWSHeaderParameters, jws: FlattenedJWSInput): Promise<CryptoKey> => {
    if (this.#jwks.jwks() === undefined) await this.#refresh()
    else if (this.#ageMs > limits.jwks.maxAgeMs) this.fetchInBackground()
    if (this.#jwks.jwks() === undefined) throw this.#unavailableProblem()
    try {
      return await this.#jwks(header, jws)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#refresh()
      // The issuer may have new keys that can't be had now: then nobody can say that the token is wrong.
      if (!this.status.isUp) throw this.#unavailableProblem()
      return this.#jwks(header, jws)
    }
  }

  get #ageMs (): number {
    return Date.now() - this.#lastFetchAtMs
  }

  async #refresh (): Promise<void> {
    if (this.#pendingFetch !== undefined || this.#ageMs >= limits.jwks.cooldownMs) await this.#joinFetch()
  }

  #joinFetch (): Promise<boolean> {
    this.#pendingFetch ??= this.#fetchKeys().finally(() => { this.#pendingFetch = undefined })
    return this.#pendingFetch
  }

  async #fetchKeys (): Promise<boolean> {
    clearTimeout(this.#retryTimer)
    this.#lastFetchAtMs = Date.now()
    try {
      await this.#jwks.reload()
      this.status.report(true)
    } catch (error) {
      this.status.report(false)
      // What fails because the connections are being closed is no news.
      if (!this.#isClosed) this.#onFailure(error)
    }
    return this.status.isUp
  }

  #onFailure (error: unknown): void {
    this.#log.warn({ err: error }, 'no keys to verify callers with')
    this.#retryTimer = setTimeout(() => this.fetchInBackground(), limits.jwks.cooldownMs).unref()
  }

  #unavailableProblem (): Problem {
    return new Problem('identity_unavailable', 'The keys to verify callers with can\'t be had.', { headers: { 'retry-after': String(Math.ceil(limits.jwks.cooldownMs / 1000)) } })
  }
}
