/**
 * The access token that all requests share: fetched once, renewed ahead of its end by one attempt at a time, and kept
 * in use while renewing fails and it is still valid. After a failed attempt there is a growing, jittered pause, in which
 * requests without a token are told the last failure at once instead of each making an attempt of its own. A token that the API
 * refuses is dropped, but only so often: a company that is refused whatever the token must not cost the others theirs.
 * It does not know how a token is come by.
 */
import { limits } from '../../config/limits.ts'
import { Problem } from '../../server/problem.ts'
import { Standing } from '../../telemetry/dependency-status.ts'
import type { RequestToken, Token } from './token-request.ts'

/** The methods of pino's that are used here. No token gets into a field. */
export interface TokenLog {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
}

/** The longest delay that a timer of Node takes without firing at once. */
const longestTimerMs = 2_147_483_647

/** No timer of it keeps the process alive; its ages and counts are there to be looked at. */
export class Tokens {
  readonly #request: RequestToken
  readonly #log: TokenLog
  #current: Token | undefined
  /** The last one that was current, dropped or not: the next has to be another. */
  #latest: string | undefined
  #attempt: Promise<Token> | undefined
  #timer: NodeJS.Timeout | undefined
  #failure: Problem | undefined
  #failures = 0
  #drops = 0
  #droppedAtMs = 0
  #retryAtMs = 0
  #quietUntilMs = 0
  #stopped = false
  /** Whether a token was ever had. */
  ready = false
  /** Whether the last attempt brought a token: it tells of the login host, and the token may be valid longer or shorter than that. */
  readonly standing = new Standing()
  /** Since the start: tokens that were had, attempts that failed, and tokens that the API refused. */
  readonly counts = { renewed: 0, failed: 0, refused: 0 }

  constructor (request: RequestToken, log: TokenLog) {
    this.#request = request
    this.#log = log
  }

  /** Makes the first attempt now; later ones follow by timer. */
  start (): void {
    this.#begin().catch(() => {})
  }

  /** No attempt is begun by timer any more, and one that fails is no news. */
  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** The valid token if there is one: the way of all requests but the first. */
  current (): string | undefined {
    const token = this.#current
    return token !== undefined && Date.now() < token.issuedAtMs + token.lifetimeMs ? token.value : undefined
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
    if (this.#attempt === undefined && this.#failure !== undefined && Date.now() < this.#retryAtMs) throw this.#pausing(this.#failure)
    return (await this.#begin()).value
  }

  /**
   * The API answered 401 to this token: it is dropped if it is still the current one, so that a crowd of 401s costs one renewal.
   * Past the allowed number of drops it is kept, and whoever was refused is told so.
   */
  reject (value: string): void {
    const token = this.#current
    if (token?.value !== value) return
    this.counts.refused++
    const nowMs = Date.now()
    const drops = Math.max(0, this.#drops - (nowMs - this.#droppedAtMs) / limits.accessToken.invalidationRefillMs)
    if (drops > limits.accessToken.invalidationBurst - 1) return this.#complain(new Problem('procore_unauthorized', 'Procore refuses the tokens that its login host issues.'), 0)
    this.#drops = drops + 1
    this.#droppedAtMs = nowMs
    this.#current = undefined
    this.#log.warn({ ageMs: nowMs - token.issuedAtMs }, 'Procore refused the token')
    this.start()
  }

  #begin (): Promise<Token> {
    this.#attempt ??= this.#try().finally(() => { this.#attempt = undefined })
    return this.#attempt
  }

  async #try (): Promise<Token> {
    clearTimeout(this.#timer)
    try {
      const token = await this.#request(this.#latest)
      this.#succeed(token)
      return token
    } catch (error) {
      throw this.#fail(error instanceof Problem ? error : new Problem('procore_unavailable', 'No token could be had.', { outcome: 'not_sent', cause: error }))
    }
  }

  #succeed (token: Token): void {
    this.standing.set(true)
    this.#current = token
    this.counts.renewed++
    this.#latest = token.value
    this.#failure = undefined
    this.#failures = 0
    this.ready = true
    this.#log.info({ lifetimeMs: token.lifetimeMs }, 'token renewed')
    this.#schedule(Math.max(limits.accessToken.backoffMs, token.issuedAtMs + token.lifetimeMs * limits.accessToken.renewAt - Date.now()))
  }

  /** Returns the failure as requests are told it: without its cause, which is logged here, once for all of them. */
  #fail (problem: Problem): Problem {
    const pauseMs = Math.min(limits.accessToken.backoffMaxMs, limits.accessToken.backoffMs * 2 ** this.#failures) * (0.75 + Math.random() / 2)
    this.#failures = Math.min(this.#failures + 1, 16)
    this.counts.failed++
    this.#failure = new Problem(problem.code, problem.message, { outcome: 'not_sent' })
    this.#retryAtMs = Date.now() + pauseMs
    // What fails because the connections are being closed is no news.
    if (!this.#stopped) this.#sayFailed(problem, pauseMs)
    this.#schedule(pauseMs)
    return this.#failure
  }

  #sayFailed (problem: Problem, pauseMs: number): void {
    this.standing.set(false)
    this.#complain(problem, pauseMs)
  }

  /** Wrong credentials are wrong until somebody mends them, who needs to be told, but not at every attempt. */
  #complain ({ code, cause }: Problem, pauseMs: number): void {
    if (code === 'procore_unauthorized') {
      if (Date.now() < this.#quietUntilMs) return
      this.#quietUntilMs = Date.now() + limits.accessToken.warnIntervalMs
    }
    this.#log.warn({ code, err: cause, pauseMs: Math.round(pauseMs) }, 'no token')
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
