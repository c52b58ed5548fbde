/**
 * The access token that all requests share: fetched once, renewed ahead of its end by one attempt at a time, and kept
 * in use while renewing fails and it is still valid. After a failed attempt there is a growing, jittered pause, in which
 * requests without a token are told the last failure at once instead of each making an attempt of its own.
 */
import { limits } from '../config.ts'
import { Problem } from '../problem.ts'
import type { RequestToken, Token } from './login.ts'

export interface TokenLog {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
}

/** The longest delay that a timer of Node takes without firing at once. */
const longestTimerMs = 2_147_483_647

export class Tokens {
  readonly #request: RequestToken
  readonly #log: TokenLog
  #current: Token | undefined
  #attempt: Promise<Token> | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: Problem | undefined
  #failures = 0
  /** How many tokens in a row the API refused without ever having taken them. */
  #refused = 0
  #retryAtMs = 0
  #stopped = false
  /** Whether a token was ever had. */
  ready = false

  constructor (request: RequestToken, log: TokenLog) {
    this.#request = request
    this.#log = log
  }

  /** Makes the first attempt now; later ones follow by timer. */
  start (): void {
    this.#begin().catch(() => {})
  }

  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** The valid token if there is one: the way of all requests but the first. */
  current (): string | undefined {
    const token = this.#current
    return token !== undefined && Date.now() < token.issuedAtMs + token.lifetimeMs ? token.value : undefined
  }

  /** @throws {Problem} `procore_unauthorized` or `procore_unavailable`, `not_sent` */
  async get (): Promise<string> {
    const valid = this.current()
    if (valid !== undefined) return valid
    if (this.#attempt === undefined && this.#failure !== undefined && Date.now() < this.#retryAtMs) throw this.#pausing(this.#failure)
    return (await this.#begin()).value
  }

  /** The API took this token: whatever was wrong with earlier ones is over. */
  accept (value: string): void {
    if (this.#refused > 0 && this.#current?.value === value) this.#refused = 0
  }

  /** The API answered 401 to this token: it is dropped if it is still the current one, so that a crowd of 401s costs one renewal. */
  reject (value: string): void {
    const token = this.#current
    if (token?.value !== value) return
    this.#current = undefined
    this.#refused++
    this.#log.warn({ ageMs: Date.now() - token.issuedAtMs }, 'Procore refused the token')
    // Where even new tokens are refused, a renewal for each would be a storm at the login host.
    if (this.#refused > 1) this.#fail(new Problem('procore_unauthorized', 'Procore refuses the tokens that its login host issues.', { outcome: 'not_sent' }))
    else this.start()
  }

  #begin (): Promise<Token> {
    this.#attempt ??= this.#try().finally(() => { this.#attempt = undefined })
    return this.#attempt
  }

  async #try (): Promise<Token> {
    clearTimeout(this.#timer)
    try {
      const token = await this.#request()
      this.#succeed(token)
      return token
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem('procore_unavailable', 'No token could be had.', { outcome: 'not_sent', cause: error })
      this.#fail(problem)
      throw problem
    }
  }

  #succeed (token: Token): void {
    this.#current = token
    this.#failure = undefined
    this.#failures = 0
    this.ready = true
    this.#log.info({ lifetimeMs: token.lifetimeMs }, 'token renewed')
    this.#schedule(token.lifetimeMs * limits.tokenRenewAt)
  }

  #fail (problem: Problem): void {
    const pauseMs = Math.min(limits.tokenPauseMaxMs, limits.tokenPauseMs * 2 ** Math.max(this.#failures, this.#refused - 2)) * (0.75 + Math.random() / 2)
    this.#failures = Math.min(this.#failures + 1, 16)
    this.#failure = problem
    this.#retryAtMs = Date.now() + pauseMs
    // What fails because the connections are being closed is no news.
    if (this.#stopped) return
    this.#log.warn({ code: problem.code, err: problem.cause, pauseMs: Math.round(pauseMs) }, 'no token')
    this.#schedule(pauseMs)
  }

  #schedule (ms: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => this.start(), Math.min(ms, longestTimerMs)).unref()
  }

  #pausing (failure: Problem): Problem {
    const seconds = Math.max(1, Math.ceil((this.#retryAtMs - Date.now()) / 1000))
    const headers = failure.code === 'procore_unavailable' ? { headers: { 'retry-after': String(seconds) } } : {}
    return new Problem(failure.code, failure.message, { ...failure.extras, ...headers })
  }
}
