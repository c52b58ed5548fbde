/**
 * Sends one request to the API host and brings what came of it: with the token, at Procore's pace, not at all while the host is down,
 * and again at most once, where repeat.ts allows it. It does not know what an answer means for the caller.
 */
import type { Dispatcher } from 'undici'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { beginStage, type StageEnd, type Trail } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import { CallerGone } from '../server/errors.ts'
import type { SharedAllowance } from '../storage/shared-rate-limit.ts'
import { isSaneId } from '../server/request-id.ts'
import { Allowance } from './rate-limit/limiter.ts'
import { blockOf } from './rate-limit/headers.ts'
import type { ExchangeResult } from './exchange.ts'
import { Breaker } from './breaker.ts'
import type { Ticket } from './rate-limit/queue.ts'
import { untilGone, type Caller } from '../server/disconnect-signal.ts'
import { exchange, type ExchangeLimits } from './exchange.ts'
import { hostNewsOf } from './breaker.ts'
import { isLost, obstacleOf, outweighs } from './retry-policy.ts'
import { httpRequest, isStream, type ApiRequest } from './request.ts'
import { breakdownType, errorTypeOf, staged } from '../telemetry/spans.ts'
import type { Tokens } from './auth/token-provider.ts'

/** A request, and whose it is, how long it may take and whether it may be repeated. */
export interface ApiCall extends ApiRequest {
  /** Whether it may be repeated although Procore may have acted on it: it is safe or idempotent (RFC 9110 §9.2). */
  isRepeatable?: boolean
  /** If not as configured (`RATE_LIMIT_MAX_WAIT_MS`, `UPSTREAM_TIMEOUT_MS`): longest wait for the allowance, and from the last byte sent until the answer is complete. */
  waitMs?: number
  timeoutMs?: number
  /** Where durations and ids are noted for the log. */
  trail: Trail
  /** Nothing is begun for one who left, and no wait goes on. */
  caller: Caller
}

/** What came of the attempt that counts. */
export interface Sent {
  result: ExchangeResult
  /** When it was sent, by our own clock. */
  startedAtMs: number
}

interface Attempt extends Sent {
  token: string
  /** For the allowance. */
  waitedMs: number
}

/** The methods of pino's that are used here. Fields hold ids, codes and times only. */
export interface SenderLog {
  debug (fields: object, message: string): void
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
}

/** The one way to the API host; look-ups go it as well. */
export class Sender {
  readonly allowance: Allowance
  readonly breaker = new Breaker()
  readonly #config: Config['procore']
  readonly #api: Dispatcher
  readonly #tokens: Tokens
  readonly #log: SenderLog
  readonly #limits: ExchangeLimits
  /** Requests that are with the pool: on a connection or waiting for one. */
  #underWay = 0
  #saidNoChunked = false

  constructor (config: Config['procore'], api: Dispatcher, tokens: Tokens, log: SenderLog, shared?: SharedAllowance) {
    this.allowance = new Allowance(config, shared)
    this.#config = config
    this.#api = api
    this.#tokens = tokens
    this.#log = log
    this.#limits = this.#limitsOf(config.timeoutMs)
  }

  /** Whether no more requests can wait, for the allowance or for a connection: to be asked before `send`, which takes whatever comes. */
  get isFull (): boolean {
    return this.allowance.waiting >= limits.rateLimit.queueMax || this.#underWay >= this.#config.connections + limits.rateLimit.queueMax
  }

  /**
   * Resolves with whatever came of what was sent, breakdowns included.
   * @throws {Problem} `procore_rate_limited`, `procore_unavailable`, `procore_unauthorized` or `overloaded`, `not_sent`: nothing was sent,
   * or what was sent first was refused before Procore acted
   * @throws {CallerGone} the same, and nobody waits
   */
  async send (call: ApiCall): Promise<Sent> {
    const { waitMs = this.#config.waitMs } = call
    const first = await this.#attempt(call, waitMs)
    const pauseMs = this.#pauseBeforeRepeat(first, call.companyId)
    // Only waiting counts: how long Procore took to answer is no reason to give up.
    const leftMs = Math.max(0, waitMs - first.waitedMs)
    if (pauseMs === undefined) return call.isRepeatable === true && isLost(first.result) ? this.#repeat(call, first, leftMs) : first
    if (isStream(call.body) || call.caller.gone || pauseMs > leftMs) return first
    if (call.trail.standing !== undefined) call.trail.standing = 'not_sent'
    return this.#attempt(call, leftMs)
  }

  /** Although Procore may have acted on the first. */
  async #repeat (call: ApiCall, first: Attempt, waitMs: number): Promise<Sent> {
    if (isStream(call.body) || call.caller.gone) return first
    try {
      const second = await this.#attempt(call, waitMs)
      return outweighs(second.result, first.result) ? second : first
    } catch (error) {
      if (!(error instanceof Problem) && !(error instanceof CallerGone)) throw error
      return first
    }
  }

  /** How long to wait, in milliseconds, before a request may be repeated of which it is certain that Procore did not act on it. */
  #pauseBeforeRepeat ({ result, token }: Attempt, companyId: number): number | undefined {
    const obstacle = obstacleOf(result, Date.now())
    // The same token again would only be refused again.
    if (obstacle === 'token') return this.#tokens.current() === token ? undefined : 0
    return obstacle === 'pace' ? this.allowance.blockedMs(companyId) : undefined
  }

  async #attempt (call: ApiCall, waitMs: number): Promise<Attempt> {
    const { caller, trail } = call
    this.#refuseIfDown()
    // Whoever has no token must not hold a place of the allowance meanwhile.
    const endStage = beginStage(trail, 'token')
    const had = this.#token(caller)
    if (had instanceof Promise) await staged(had, endStage)
    else endStage()
    const enteredAtMs = Date.now()
    const entered = this.#enter(call, waitMs)
    const ticket = entered instanceof Promise ? await entered : entered
    const waitedMs = Date.now() - enteredAtMs
    let result: ExchangeResult | undefined
    try {
      const current = this.#token(caller)
      const token = current instanceof Promise ? await current : current
      if (caller.gone) throw new CallerGone()
      this.#refuseIfDown()
      this.breaker.enter()
      const startedAtMs = Date.now()
      const startedAt = performance.now()
      const endExchange = beginStage(trail, 'upstream')
      this.#underWay++
      result = await this.#exchange(call, token)
      this.#underWay--
      endExchange(this.#note(result, call, performance.now() - startedAt))
      this.#learn(result, token, call)
      return { result, startedAtMs, token, waitedMs }
    } finally {
      ticket.leave(result)
    }
  }

  #token (caller: Caller): string | Promise<string> {
    return this.#tokens.current() ?? untilGone(this.#tokens.get(), caller)
  }

  #enter ({ companyId, body, caller, trail }: ApiCall, waitMs: number): Promise<Ticket> | Ticket {
    const endStage = beginStage(trail, 'allowance')
    let ticket: Promise<Ticket> | Ticket
    try {
      ticket = this.allowance.enter({ companyId, sentWhole: !isStream(body), waitMs, caller })
    } catch (error) {
      endStage({ error: errorTypeOf(error) })
      throw error
    }
    // Who goes at once did not wait.
    if (!(ticket instanceof Promise)) return ticket
    const startedAt = performance.now()
    return staged(ticket, endStage).finally(() => { trail.waitMs = (trail.waitMs ?? 0) + performance.now() - startedAt })
  }

  #exchange (call: ApiCall, token: string): Promise<ExchangeResult> {
    const { trail, timeoutMs, caller } = call
    const exchangeLimits = timeoutMs === undefined ? this.#limits : this.#limitsOf(timeoutMs)
    return exchange(this.#api, httpRequest(call, this.#config.apiUrl, token), exchangeLimits, caller, () => {
      if (trail.standing === undefined) return
      trail.standing = 'unknown'
      trail.sentAtMs = Date.now()
    })
  }

  /** What came of an exchange, and after how long. */
  #note (result: ExchangeResult, { trail, method, companyId }: ApiCall, ms: number): StageEnd {
    trail.upstreamMs = (trail.upstreamMs ?? 0) + ms
    const [status, brokenAt] = result.kind === 'answer' ? [result.status] : [undefined, result.at]
    noteAnswer(result, trail)
    this.#log.debug({ requestId: trail.requestId, traceId: trail.traceId, method, companyId, status, brokenAt, ms: Math.round(ms) }, 'exchange')
    return { method, status, error: result.kind === 'breakdown' ? breakdownType(result) : undefined }
  }

  #limitsOf (timeoutMs: number): ExchangeLimits {
    return {
      timeoutMs,
      idleTimeoutMs: this.#config.idleTimeoutMs,
      startTimeoutMs: Math.min(limits.upstream.connectTimeoutMs * 2, timeoutMs),
      answerMaxBytes: limits.upstream.responseMaxBytes,
    }
  }

  /** What an exchange tells of the token, of the allowance and of the host. */
  #learn (result: ExchangeResult, token: string, { companyId, body }: ApiCall): void {
    const nowMs = Date.now()
    if (result.kind === 'answer') {
      if (result.status === 401) this.#tokens.reject(token)
      if (result.status === 411 && isStream(body)) this.#sayNoChunked()
      const block = blockOf(result, nowMs)
      if (block !== undefined) this.allowance.block(companyId, block)
    }
    const news = hostNewsOf(result, isStream(body), nowMs)
    if (news === 'up') this.#sayUp()
    else if (news === 'down' && this.breaker.fail()) this.#log.warn({ waitMs: this.breaker.waitMs }, 'the API host fails; requests are refused until it is back')
  }

  /** Whether Procore's edge takes chunked bodies is not documented; if it does not, the operator needs to hear the way out, once. */
  #sayNoChunked (): void {
    if (this.#saidNoChunked) return
    this.#saidNoChunked = true
    this.#log.error({ remedy: 'FORM_BUFFER_BYTES above AVATAR_MAX_BYTES' }, 'Procore answers 411 to streamed forms; hold forms whole instead')
  }

  #sayUp (): void {
    if (this.breaker.isOpen) this.#log.info({}, 'the API host is back')
    this.breaker.succeed()
  }

  #refuseIfDown (): void {
    const { waitMs } = this.breaker
    if (waitMs === 0) return
    throw new Problem('procore_unavailable', 'Procore has failed repeatedly and is being left alone for a moment.', {
      outcome: 'not_sent', headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
    })
  }
}

function noteAnswer (result: ExchangeResult, trail: Trail): void {
  if (result.kind !== 'answer') return
  const requestId = result.headers['x-request-id']
  trail.upstreamStatus = result.status
  if (isSaneId(requestId)) trail.procoreRequestId = requestId
}
