/**
 * The access token that all requests share: fetched once, renewed ahead of its end by one attempt at a time, and kept
 * in use while renewing fails and it is still valid. After a failed attempt there is a growing, jittered pause, in which
 * requests without a token are told the last failure at once instead of each making an attempt of its own. A token that the API
 * refuses is dropped, but only so often: a company that is refused whatever the token must not cost the others theirs.
 * It does not know how a token is come by.
 */
import { limits } from '../../config/limits.ts'
import { Problem } from '../../server/problem.ts'
import { DependencyStatus } from '../../telemetry/dependency-status.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { FetchAccessToken, AccessToken } from './token-request.ts'

/** The longest delay that a timer of Node takes without firing at once. */
const timerMaxMs = 2_147_483_647

/** No timer of it keeps the process alive; its ages and counts are there to be looked at. */
export class AccessTokenProvider {
  readonly #fetch: FetchAccessToken
  readonly #log: Logger
  #current: AccessToken | undefined
  /** The last one that was current, dropped or not: the next has to be another. */
  #lastIssued: string | undefined
  #pendingFetch: Promise<AccessToken> | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: Problem | undefined
  #failures = 0
  #invalidations = 0
  #lastInvalidatedAtMs = 0
  #retryAtMs = 0
  #warnAfterMs = 0
  #stopped = false
  /** Whether a token was ever had. */
  isReady = false
  /** Whether the last attempt brought a token: it tells of the login host, and the token may be valid longer or shorter than that. */
  readonly status = new DependencyStatus()
  /** Since the start: tokens that were had, attempts that failed, and tokens that the API refused. */
  readonly counts = { renewed: 0, failed: 0, refused: 0 }

  constructor (fetchAccessToken: FetchAccessToken, log: Logger) {
    this.#fetch = fetchAccessToken
    this.#log = log
  }

  /** Makes the first attempt now; later ones follow by timer. */
  start (): void {
    this.#startFetch().catch(() => {})
  }

  /** No attempt is begun by timer any more, and one that fails is no news. */
  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** The valid token if there is one: the way of all requests but the first. */
  current (): string | undefined {
    const accessToken = this.#current
    return accessToken !== undefined && Date.now() < accessToken.issuedAtMs + accessToken.lifetimeMs ? accessToken.value : undefined
  }

  /** Whether requests have a token, whatever the login host does. */
  get isValid (): boolean {
    return this.current() !== undefined
  }

  /** How old the valid token is, in milliseconds. */
  get ageMs (): number | undefined {
    return this.#current === undefined || !this.isValid ? undefined : Date.now() - this.#current.issuedAtMs
  }

  /** @throws {Problem} `procore_unauthorized` or `procore_unavailable`, `not_sent` */
  async get (): Promise<string> {
    const valid = this.current()
    if (valid !== undefined) return valid
    if (this.#pendingFetch === undefined && this.#failure !== undefined && Date.now() < this.#retryAtMs) throw this.#backoffProblem(this.#failure)
    return (await this.#startFetch()).value
  }

  /**
   * The API answered 401 to this token: it is dropped if it is still the current one, so that a crowd of 401s costs one renewal.
   * Past the allowed number of drops it is kept, and whoever was refused is told so.
   */
  invalidate (value: string): void {
    const accessToken = this.#current
    if (accessToken?.value !== value) return
    this.counts.refused++
    const nowMs = Date.now()
    const invalidations = Math.max(0, this.#invalidations - (nowMs - this.#lastInvalidatedAtMs) / limits.accessToken.invalidationRefillMs)
    if (invalidations > limits.accessToken.invalidationBurst - 1) return this.#warnThrottled(new Problem('procore_unauthorized', 'Procore refuses the tokens that its login host issues.'), 0)
    this.#invalidations = invalidations + 1
    this.#lastInvalidatedAtMs = nowMs
    this.#current = undefined
    this.#log.warn({ ageMs: nowMs - accessToken.issuedAtMs }, 'Procore refused the token')
    this.start()
  }

  #startFetch (): Promise<AccessToken> {
    this.#pendingFetch ??= this.#fetchAndApply().finally(() => { this.#pendingFetch = undefined })
    return this.#pendingFetch
  }

  async #fetchAndApply (): Promise<AccessToken> {
    clearTimeout(this.#timer)
    try {
      const accessToken = await this.#fetch(this.#lastIssued)
      this.#onSuccess(accessToken)
      return accessToken
    } catch (error) {
      throw this.#onFailure(error instanceof Problem ? error : new Problem('procore_unavailable', 'No token could be had.', { outcome: 'not_sent', cause: error }))
    }
  }

  #onSuccess (accessToken: AccessToken): void {
    this.status.report(true)
    this.#current = accessToken
    this.counts.renewed++
    this.#lastIssued = accessToken.value
    this.#failure = undefined
    this.#failures = 0
    this.isReady = true
    this.#log.info({ lifetimeMs: accessToken.lifetimeMs }, 'token renewed')
    this.#schedule(Math.max(limits.accessToken.backoffMs, accessToken.issuedAtMs + accessToken.lifetimeMs * limits.accessToken.renewAt - Date.now()))
  }

  /** Returns the failure as requests are told it: without its cause, which is logged here, once for all of them. */
  #onFailure (problem: Problem): Problem {
    const pauseMs = Math.min(limits.accessToken.backoffMaxMs, limits.accessToken.backoffMs * 2 ** this.#failures) * (0.75 + Math.random() / 2)
    this.#failures = Math.min(this.#failures + 1, 16)
    this.counts.failed++
    this.#failure = new Problem(problem.code, problem.message, { outcome: 'not_sent' })
    this.#retryAtMs = Date.now() + pauseMs
    // What fails because the connections are being closed is no news.
    if (!this.#stopped) this.#reportFailure(problem, pauseMs)
    this.#schedule(pauseMs)
    return this.#failure
  }

  #reportFailure (problem: Problem, pauseMs: number): void {
    this.status.report(false)
    this.#warnThrottled(problem, pauseMs)
  }

  /** Wrong credentials are wrong until somebody mends them, who needs to be told, but not at every attempt. */
  #warnThrottled ({ code, cause }: Problem, pauseMs: number): void {
    if (code === 'procore_unauthorized') {
      if (Date.now() < this.#warnAfterMs) return
      this.#warnAfterMs = Date.now() + limits.accessToken.warnIntervalMs
    }
    this.#log.warn({ code, err: cause, pauseMs: Math.round(pauseMs) }, 'no token')
  }

  #schedule (ms: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => this.start(), Math.min(ms, timerMaxMs)).unref()
  }

  #backoffProblem (failure: Problem): Problem {
    const seconds = Math.max(1, Math.ceil((this.#retryAtMs - Date.now()) / 1000))
    const headers = failure.code === 'procore_unavailable' ? { headers: { 'retry-after': String(seconds) } } : {}
    return new Problem(failure.code, failure.message, { ...failure.extras, ...headers })
  }
}
