/**
 * Caches the public keys of the JWT issuer. They are fetched from the JWKS URL, refreshed at intervals and when a JWT
 * names an unknown key, and stay in use while the issuer is down. Concurrent requests share one fetch, and a cooldown
 * follows each fetch. A failed fetch is repeated after the cooldown without a request, so that readiness reports the
 * issuer's recovery.
 */
import {
  createRemoteJWKSet, customFetch, errors,
  type CryptoKey, type FlattenedJWSInput, type JWSHeaderParameters, type RemoteJWKSet,
} from 'jose'
import { fetch } from 'undici'
import { createUpstreamPool, type UpstreamPool, type ProxyConfig } from '../http/connection-pool.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'

/**
 * Cache of a JWK Set (RFC 7517 §5). A fetch times out after `limits.jwks.timeoutMs`; the next one starts at the
 * earliest after `limits.jwks.cooldownMs`. Fetched keys stay in use until a fetch replaces them.
 */
export class JwksCache {
  readonly #jwks: RemoteJWKSet
  readonly #log: Logger
  readonly #pool: UpstreamPool
  #isClosed = false
  #pendingFetch: Promise<boolean> | undefined
  #lastFetchAtMs = -Infinity
  #retryTimer: NodeJS.Timeout | undefined
  /** Whether the last fetch succeeded. */
  readonly status = new DependencyStatus()

  constructor (url: string, proxy: ProxyConfig, log: Logger) {
    this.#log = log
    this.#pool = createUpstreamPool(new URL(url).origin, 1, proxy)
    const { dispatcher } = this.#pool
    // This class decides when to fetch; jose itself would fetch for every request while the issuer is down.
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

  /** Starts a fetch without waiting for it, for example at startup, so that the first caller does not have to wait. */
  fetchInBackground (): void {
    this.#joinFetch().catch(() => {})
  }

  /** Closes the connections and stops further fetches. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retryTimer)
    await this.#pool.dispatcher.destroy()
  }

  /**
   * Returns the key that verifies a JWT.
   * @throws {Problem} `identity_unavailable`; JWKSNoMatchingKey and other errors of jose
   */
  readonly getKey = async (header: JWSHeaderParameters, jws: FlattenedJWSInput): Promise<CryptoKey> => {
    if (this.#jwks.jwks() === undefined) await this.#refresh()
    else if (this.#ageMs > limits.jwks.maxAgeMs) this.fetchInBackground()
    if (this.#jwks.jwks() === undefined) throw this.#unavailableProblem()
    try {
      return await this.#jwks(header, jws)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#refresh()
      // While the issuer is down, the JWT may be signed with a new key, so it cannot be rejected as invalid.
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
      // A fetch that fails because `close` was called is not logged.
      if (!this.#isClosed) this.#onFailure(error)
    }
    return this.status.isUp
  }

  #onFailure (error: unknown): void {
    this.#log.warn({ err: error }, 'cannot fetch the keys that verify callers')
    this.#retryTimer = setTimeout(() => this.fetchInBackground(), limits.jwks.cooldownMs).unref()
  }

  #unavailableProblem (): Problem {
    const retryAfterSeconds = Math.ceil(limits.jwks.cooldownMs / 1000)
    return new Problem('identity_unavailable', 'The keys that verify callers cannot be fetched at the moment.', {
      headers: { 'retry-after': String(retryAfterSeconds) },
    })
  }
}
