/**
 * Provides the access token that all requests share. It is fetched once and renewed before it expires, by one fetch at
 * a time; while renewal fails, the current access token stays in use until it expires. A failed fetch is followed by a
 * growing, jittered pause, in which requests without an access token fail at once with the last failure instead of each
 * starting a fetch. If the login host asks for a longer wait, no fetch starts before its end, for whatever reason. An
 * access token that the API refuses is dropped, but only at a limited rate: a company that is refused with every access
 * token must not cost the other companies theirs.
 */
import { limits } from '../../config/limits.ts'
import { getRetryAfterMs, Problem, retryAfterExtras } from '../../server/problem.ts'
import { DependencyStatus } from '../../telemetry/dependency-status.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { FetchAccessToken, AccessToken } from './token-request.ts'

/** The longest delay of a Node timer; a longer one would fire at once. */
const timerMaxMs = 2_147_483_647

/** The time after a failed fetch in which requests fail with the failure. */
interface Pause {
  untilMs: number
  failure: Problem
  /** The login host asked for it, so that no fetch may start before its end. */
  isRequested: boolean
}

/** Its timer does not keep the process alive. `status`, `counts` and `ageMs` are for health checks and metrics. */
export class AccessTokenProvider {
  readonly #fetch: FetchAccessToken
  readonly #log: Logger
  #current: AccessToken | undefined
  /** The last one that was current, dropped or not: the next one must differ from it. */
  #lastIssued: string | undefined
  #pendingFetch: Promise<AccessToken> | undefined
  #timer: NodeJS.Timeout | undefined
  #pause: Pause | undefined
  #failures = 0
  #invalidations = 0
  #lastInvalidatedAtMs = -Infinity
  #warnAfterMs = -Infinity
  #stopped = false
  /** Whether an access token was ever obtained. */
  isReady = false
  /** Whether the last fetch succeeded. It describes the login host, not the validity of the current access token. */
  readonly status = new DependencyStatus()
  /** Since the start: access tokens obtained, fetches that failed, and access tokens that the API refused. */
  readonly counts = { renewed: 0, failed: 0, refused: 0 }

  constructor (fetchAccessToken: FetchAccessToken, log: Logger) {
    this.#fetch = fetchAccessToken
    this.#log = log
  }

  /** Starts a fetch now, or after the wait that the login host asks for; later ones are started by a timer. */
  start (): void {
    if (this.#activePause?.isRequested !== true) this.#startFetch().catch(() => {})
  }

  /** Stops the timer. A fetch that fails from now on is not reported. */
  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Returns the access token if it is valid, without waiting. */
  current (): string | undefined {
    const accessToken = this.#current
    if (accessToken === undefined) return undefined
    return performance.now() < accessToken.issuedAtMs + accessToken.lifetimeMs ? accessToken.value : undefined
  }

  /** Whether there is a valid access token, even if the login host is down. */
  get isValid (): boolean {
    return this.current() !== undefined
  }

  /** Age of the valid access token, in milliseconds. */
  get ageMs (): number | undefined {
    return this.#current === undefined || !this.isValid ? undefined : performance.now() - this.#current.issuedAtMs
  }

  /**
   * Returns the valid access token, or waits for one.
   * @throws {Problem} `procore_unauthorized` or `procore_unavailable`, with the outcome `not_sent`
   */
  async get (): Promise<string> {
    const validToken = this.current()
    if (validToken !== undefined) return validToken
    const pause = this.#activePause
    if (this.#pendingFetch === undefined && pause !== undefined) throw toPauseProblem(pause)
    return (await this.#startFetch()).value
  }

  /**
   * Drops the access token after the API responded with 401, if it is still the current one, so that many 401 responses
   * cause only one renewal. If too many were dropped lately, it stays in use, and the requests that were refused fail.
   */
  invalidate (value: string): void {
    const accessToken = this.#current
    if (accessToken?.value !== value) return
    this.counts.refused++
    const nowMs = performance.now()
    const { invalidationBurst, invalidationRefillMs } = limits.accessToken
    const refilled = (nowMs - this.#lastInvalidatedAtMs) / invalidationRefillMs
    const invalidations = Math.max(0, this.#invalidations - refilled)
    if (invalidations > invalidationBurst - 1) {
      const detail = 'Procore refuses the access tokens that its login host issues.'
      return this.#warnThrottled(new Problem('procore_unauthorized', detail), 0)
    }
    this.#invalidations = invalidations + 1
    this.#lastInvalidatedAtMs = nowMs
    this.#current = undefined
    this.#log.warn({ ageMs: nowMs - accessToken.issuedAtMs }, 'Procore refused the access token')
    this.start()
  }

  get #activePause (): Pause | undefined {
    return this.#pause !== undefined && performance.now() < this.#pause.untilMs ? this.#pause : undefined
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
      throw this.#onFailure(toProblem(error))
    }
  }

  #onSuccess (accessToken: AccessToken): void {
    this.status.report(true)
    this.#current = accessToken
    this.counts.renewed++
    this.#lastIssued = accessToken.value
    this.#pause = undefined
    this.#failures = 0
    this.isReady = true
    this.#log.info({ lifetimeMs: accessToken.lifetimeMs }, 'access token renewed')
    const renewAtMs = accessToken.issuedAtMs + accessToken.lifetimeMs * limits.accessToken.renewAt
    this.#schedule(Math.max(limits.accessToken.backoffMs, renewAtMs - performance.now()))
  }

  /** Returns the failure that requests receive: without its cause, which is logged here once for all of them. */
  #onFailure (problem: Problem): Problem {
    const { backoffMs, backoffMaxMs } = limits.accessToken
    const jitter = 0.75 + Math.random() / 2
    const backoffPauseMs = Math.min(backoffMaxMs, backoffMs * 2 ** this.#failures) * jitter
    const requestedMs = getRetryAfterMs(problem)
    const pauseMs = Math.max(backoffPauseMs, requestedMs)
    this.#failures = Math.min(this.#failures + 1, 16)
    this.counts.failed++
    const failure = new Problem(problem.code, problem.message, { outcome: 'not_sent' })
    this.#pause = { untilMs: performance.now() + pauseMs, failure, isRequested: requestedMs > 0 }
    // While stopping, a fetch fails because the connections are being closed.
    if (!this.#stopped) this.#reportFailure(problem, pauseMs)
    this.#schedule(pauseMs)
    return toPauseProblem(this.#pause)
  }

  #reportFailure (problem: Problem, pauseMs: number): void {
    this.status.report(false)
    this.#warnThrottled(problem, pauseMs)
  }

  /**
   * Logs the failure. Refused credentials stay refused until an operator replaces them, so that warning is not repeated
   * at every fetch.
   */
  #warnThrottled ({ code, cause }: Problem, pauseMs: number): void {
    if (code === 'procore_unauthorized') {
      if (performance.now() < this.#warnAfterMs) return
      this.#warnAfterMs = performance.now() + limits.accessToken.warnIntervalMs
    }
    this.#log.warn({ code, err: cause, pauseMs: Math.round(pauseMs) }, 'no access token')
  }

  #schedule (ms: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => { this.#startFetch().catch(() => {}) }, Math.min(ms, timerMaxMs)).unref()
  }
}

/** Returns the failure with the rest of the pause, unless the operator has to act first. */
function toPauseProblem ({ untilMs, failure, isRequested }: Pause): Problem {
  if (failure.code === 'procore_unauthorized' && !isRequested) return failure
  return failure.withExtras(retryAfterExtras(Math.max(1, untilMs - performance.now())))
}

function toProblem (error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('procore_unavailable', 'Could not obtain an access token.', { outcome: 'not_sent', cause: error })
}
