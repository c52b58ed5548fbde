/**
 * Caches the public keys of the JWT issuer. A timer renews them, so that a key that the issuer revokes is not accepted
 * for longer than `limits.jwks.renewMs` while the issuer is up. They stay in use while the issuer is down, but not
 * beyond `limits.jwks.maxAgeMs`. Concurrent requests share one fetch, and a cooldown follows each fetch.
 */
import { createLocalJWKSet, type CryptoKey, type JSONWebKeySet, type JWK } from 'jose'
import { createUpstreamPool, type UpstreamPool, type ProxyConfig } from '../http/connection-pool.ts'
import { limitedFetch } from '../http/limited-fetch.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isJsonObject } from '../util/is-json-object.ts'

/** A key of the issuer. It stays the same object while the issuer publishes the same key. */
export interface IssuerKey {
  readonly jwk: JWK
  /** Imports the key for the algorithm of a JWT. Rejects if the key does not fit. */
  import (algorithm: string): Promise<CryptoKey>
}

/** Fetches are so far apart that an idle connection is closed before the next one. */
const poolLimits = { maxConnections: 1, connectionLifetimeMs: limits.jwks.maxAgeMs }

/** Cache of a JWK Set (RFC 7517 §5). */
export class JwksCache {
  readonly #url: string
  readonly #log: Logger
  readonly #pool: UpstreamPool
  #isClosed = false
  #pendingFetch: Promise<void> | undefined
  /** By the JSON text of the key; undefined until the first fetch succeeds. */
  #keys: ReadonlyMap<string, IssuerKey> | undefined
  #current: ReadonlySet<IssuerKey> = new Set()
  #lastFetchAtMs = -Infinity
  #lastSuccessAtMs = -Infinity
  #timer: NodeJS.Timeout | undefined
  /** Whether the last fetch succeeded. */
  readonly status = new DependencyStatus()

  constructor (url: string, proxy: ProxyConfig, log: Logger) {
    this.#url = url
    this.#log = log
    this.#pool = createUpstreamPool(new URL(url).origin, poolLimits, proxy)
  }

  /** Starts a fetch without waiting for it, for example at startup, so that the first caller does not have to wait. */
  fetchInBackground (): void {
    this.#joinFetch().catch(() => {})
  }

  /** Closes the connections and stops further fetches. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#pool.dispatcher.destroy()
  }

  /** Whether a JWT that this key verified may still be accepted without another look at the keys. */
  isCurrent (key: IssuerKey): boolean {
    return this.#current.has(key) && !this.#isRenewalMissed && this.#ageMs <= limits.jwks.maxAgeMs
  }

  /**
   * Returns the keys that may have signed a JWT: those with its `kid`, and those without any, because `kid` is optional
   * and need not be unique (RFC 7517 §4.5).
   * @throws {Problem} `identity_unavailable`
   */
  async findKeys (kid: string | undefined): Promise<IssuerKey[]> {
    if (this.#keys === undefined) await this.refresh()
    else if (this.#isRenewalMissed) await this.#joinFetch()
    if (this.#keys === undefined || this.#ageMs > limits.jwks.maxAgeMs) throw this.unavailableProblem()
    const keys = [...this.#current]
    if (kid === undefined) return keys
    return [...keys.filter(({ jwk }) => jwk.kid === kid), ...keys.filter(({ jwk }) => jwk.kid === undefined)]
  }

  /** Fetches the keys unless they were fetched just now, and returns whether they may have changed. */
  async refresh (): Promise<boolean> {
    const isDue = performance.now() - this.#lastFetchAtMs >= limits.jwks.cooldownMs
    if (this.#pendingFetch === undefined && !isDue) return false
    await this.#joinFetch()
    return this.status.isUp
  }

  readonly unavailableProblem = (): Problem => {
    const retryAfterSeconds = Math.ceil(limits.jwks.cooldownMs / 1000)
    return new Problem('identity_unavailable', 'The keys that verify callers cannot be fetched at the moment.', {
      headers: { 'retry-after': String(retryAfterSeconds) },
    })
  }

  get #ageMs (): number {
    return performance.now() - this.#lastSuccessAtMs
  }

  /**
   * Whether the timer did not fire, for example because the machine slept. If it fired and the fetch failed, it repeats
   * the fetch, and requests do not wait for an issuer that is down.
   */
  get #isRenewalMissed (): boolean {
    return this.status.isUp && this.#ageMs > limits.jwks.renewMs + limits.jwks.timeoutMs
  }

  #joinFetch (): Promise<void> {
    this.#pendingFetch ??= this.#fetchKeys().finally(() => { this.#pendingFetch = undefined })
    return this.#pendingFetch
  }

  async #fetchKeys (): Promise<void> {
    clearTimeout(this.#timer)
    this.#lastFetchAtMs = performance.now()
    try {
      this.#replaceKeys(await this.#download())
      this.#lastSuccessAtMs = performance.now()
      this.status.report(true)
    } catch (error) {
      this.status.report(false)
      // A fetch that fails because `close` was called is not logged.
      if (!this.#isClosed) this.#log.warn({ err: error }, 'cannot fetch the keys that verify callers')
    }
    if (this.#isClosed) return
    const delayMs = this.status.isUp ? limits.jwks.renewMs : limits.jwks.cooldownMs
    this.#timer = setTimeout(() => this.fetchInBackground(), delayMs).unref()
  }

  async #download (): Promise<JSONWebKeySet> {
    const signal = AbortSignal.timeout(limits.jwks.timeoutMs)
    const { dispatcher } = this.#pool
    const headers = { accept: 'application/json, application/jwk-set+json' }
    const response = await limitedFetch(this.#url, { dispatcher, headers, signal }, limits.jwks.maxBytes)
    if (response.status !== 200) throw new Error(`the response has status ${response.status}`)
    return parseJwks(await response.json())
  }

  /** Keeps the object of a key that is still published, so that the identities it verified stay cached. */
  #replaceKeys (jwks: JSONWebKeySet): void {
    const before = this.#keys
    this.#keys = new Map(jwks.keys.map(jwk => {
      const text = JSON.stringify(jwk)
      return [text, before?.get(text) ?? toIssuerKey(jwk)]
    }))
    this.#current = new Set(this.#keys.values())
  }
}

function parseJwks (value: unknown): JSONWebKeySet {
  const keys: unknown = isJsonObject(value) ? value['keys'] : undefined
  if (!Array.isArray(keys)) throw new Error('the response is not a JWK Set')
  // RFC 7517 §5: keys that are not understood are ignored.
  return { keys: keys.filter(isJwk) }
}

const isJwk = (value: unknown): value is JWK => isJsonObject(value) && typeof value['kty'] === 'string'

function toIssuerKey (jwk: JWK): IssuerKey {
  // jose checks `kty`, `crv`, `alg`, `use` and `key_ops`, and caches the imported key.
  const getKey = createLocalJWKSet({ keys: [jwk] })
  return { jwk, import: alg => getKey({ alg }) }
}
