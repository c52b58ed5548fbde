/**
 * Sends one request to the API host and brings what came of it: with the token, at Procore's pace, not at all while the host is down,
 * and again at most once, where repeat.ts allows it. It does not know what an answer means for the caller.
 */
import type { Dispatcher } from 'undici'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import { ClientDisconnectedError } from '../server/errors.ts'
import type { SharedRateLimiter } from '../storage/shared-rate-limit.ts'
import { isValidRequestId } from '../server/request-id.ts'
import { RateLimiter } from './rate-limit/limiter.ts'
import { parseThrottle } from './rate-limit/headers.ts'
import type { ExchangeResult } from './exchange.ts'
import { Breaker } from './breaker.ts'
import type { Permit } from './rate-limit/queue.ts'
import { raceWithAbort, type DisconnectSignal } from '../server/disconnect-signal.ts'
import { exchange, type ExchangeLimits } from './exchange.ts'
import { breakerSignal } from './breaker.ts'
import { isTransient, retryReason, supersedes } from './retry-policy.ts'
import { buildHttpRequest, isStream, type UpstreamRequest } from './request.ts'
import { failureType, errorType, startSpan, withSpan, type SpanEnd } from '../telemetry/spans.ts'
import type { AccessTokenProvider } from './auth/token-provider.ts'

/** A request, and whose it is, how long it may take and whether it may be repeated. */
export interface UpstreamCall extends UpstreamRequest {
  /** Whether it may be repeated although Procore may have acted on it: it is safe or idempotent (RFC 9110 §9.2). */
  isIdempotent?: boolean
  /** If not as configured (`RATE_LIMIT_MAX_WAIT_MS`, `UPSTREAM_TIMEOUT_MS`): longest wait for the allowance, and from the last byte sent until the answer is complete. */
  rateLimitMaxWaitMs?: number
  timeoutMs?: number
  /** Where durations and ids are noted for the log. */
  record: RequestRecord
  /** Nothing is begun for one who left, and no wait goes on. */
  signal: DisconnectSignal
}

/** What came of the attempt that counts. */
export interface AttemptResult {
  result: ExchangeResult
  /** When it was sent, by our own clock. */
  startedAtMs: number
}

interface Attempt extends AttemptResult {
  accessToken: string
  /** For the allowance. */
  rateLimitWaitMs: number
}

/** The one way to the API host; look-ups go it as well. */
export class UpstreamSender {
  readonly rateLimiter: RateLimiter
  readonly breaker = new Breaker()
  readonly #config: Config['procore']
  readonly #dispatcher: Dispatcher
  readonly #accessTokens: AccessTokenProvider
  readonly #log: Logger
  readonly #limits: ExchangeLimits
  /** Requests that are with the pool: on a connection or waiting for one. */
  #inFlight = 0
  #warnedChunkedRejected = false

  constructor (config: Config['procore'], dispatcher: Dispatcher, accessTokens: AccessTokenProvider, log: Logger, sharedRateLimiter?: SharedRateLimiter) {
    this.rateLimiter = new RateLimiter(config, sharedRateLimiter)
    this.#config = config
    this.#dispatcher = dispatcher
    this.#accessTokens = accessTokens
    this.#log = log
    this.#limits = this.#buildLimits(config.timeoutMs)
  }

  /** Whether no more requests can wait, for the allowance or for a connection: to be asked before `send`, which takes whatever comes. */
  get isAtCapacity (): boolean {
    return this.rateLimiter.waitingCount >= limits.rateLimit.queueMax || this.#inFlight >= this.#config.connections + limits.rateLimit.queueMax
  }

  /**
   * Resolves with whatever came of what was sent, breakdowns included.
   * @throws {Problem} `procore_rate_limited`, `procore_unavailable`, `procore_unauthorized` or `overloaded`, `not_sent`: nothing was sent,
   * or what was sent first was refused before Procore acted
   * @throws {ClientDisconnectedError} the same, and nobody waits
   */
  async send (call: UpstreamCall): Promise<AttemptResult> {
    const { rateLimitMaxWaitMs: maxWaitMs = this.#config.rateLimitMaxWaitMs } = call
    const initial = await this.#attempt(call, maxWaitMs)
    const retryDelayMs = this.#retryDelayMs(initial, call.companyId)
    // Only waiting counts: how long Procore took to answer is no reason to give up.
    const leftMs = Math.max(0, maxWaitMs - initial.rateLimitWaitMs)
    if (retryDelayMs === undefined) return call.isIdempotent === true && isTransient(initial.result) ? this.#retryIdempotent(call, initial, leftMs) : initial
    if (isStream(call.body) || call.signal.aborted || retryDelayMs > leftMs) return initial
    if (call.record.provisionalOutcome !== undefined) call.record.provisionalOutcome = 'not_sent'
    return this.#attempt(call, leftMs)
  }

  /** Although Procore may have acted on the first. */
  async #retryIdempotent (call: UpstreamCall, initial: Attempt, maxWaitMs: number): Promise<AttemptResult> {
    if (isStream(call.body) || call.signal.aborted) return initial
    try {
      const retry = await this.#attempt(call, maxWaitMs)
      return supersedes(retry.result, initial.result) ? retry : initial
    } catch (error) {
      if (!(error instanceof Problem) && !(error instanceof ClientDisconnectedError)) throw error
      return initial
    }
  }

  /** How long to wait, in milliseconds, before a request may be repeated of which it is certain that Procore did not act on it. */
  #retryDelayMs ({ result, accessToken }: Attempt, companyId: number): number | undefined {
    const reason = retryReason(result, Date.now())
    // The same token again would only be refused again.
    if (reason === 'unauthorized') return this.#accessTokens.current() === accessToken ? undefined : 0
    return reason === 'throttled' ? this.rateLimiter.throttledMs(companyId) : undefined
  }

  async #attempt (call: UpstreamCall, maxWaitMs: number): Promise<Attempt> {
    const { signal, record } = call
    this.#assertBreakerClosed()
    // Whoever has no token must not hold a place of the allowance meanwhile.
    const endSpan = startSpan(record, 'access_token')
    const pendingToken = this.#getAccessToken(signal)
    if (pendingToken instanceof Promise) await withSpan(pendingToken, endSpan)
    else endSpan()
    const acquireStartedAtMs = Date.now()
    const pendingPermit = this.#acquirePermit(call, maxWaitMs)
    const permit = pendingPermit instanceof Promise ? await pendingPermit : pendingPermit
    const rateLimitWaitMs = Date.now() - acquireStartedAtMs
    let result: ExchangeResult | undefined
    try {
      const currentToken = this.#getAccessToken(signal)
      const accessToken = currentToken instanceof Promise ? await currentToken : currentToken
      if (signal.aborted) throw new ClientDisconnectedError()
      this.#assertBreakerClosed()
      this.breaker.onRequestStart()
      const startedAtMs = Date.now()
      const startedAt = performance.now()
      const endExchangeSpan = startSpan(record, 'upstream')
      this.#inFlight++
      result = await this.#exchange(call, accessToken)
      this.#inFlight--
      endExchangeSpan(this.#record(result, call, performance.now() - startedAt))
      this.#applyFeedback(result, accessToken, call)
      return { result, startedAtMs, accessToken, rateLimitWaitMs }
    } finally {
      permit.release(result)
    }
  }

  #getAccessToken (signal: DisconnectSignal): string | Promise<string> {
    return this.#accessTokens.current() ?? raceWithAbort(this.#accessTokens.get(), signal)
  }

  #acquirePermit ({ companyId, body, signal, record }: UpstreamCall, maxWaitMs: number): Promise<Permit> | Permit {
    const endSpan = startSpan(record, 'rate_limit')
    let permit: Promise<Permit> | Permit
    try {
      permit = this.rateLimiter.acquire({ companyId, isBuffered: !isStream(body), maxWaitMs, signal })
    } catch (error) {
      endSpan({ error: errorType(error) })
      throw error
    }
    // Who goes at once did not wait.
    if (!(permit instanceof Promise)) return permit
    const startedAt = performance.now()
    return withSpan(permit, endSpan).finally(() => { record.rateLimitWaitMs = (record.rateLimitWaitMs ?? 0) + performance.now() - startedAt })
  }

  #exchange (call: UpstreamCall, accessToken: string): Promise<ExchangeResult> {
    const { record, timeoutMs, signal } = call
    const exchangeLimits = timeoutMs === undefined ? this.#limits : this.#buildLimits(timeoutMs)
    return exchange(this.#dispatcher, buildHttpRequest(call, this.#config.apiUrl, accessToken), exchangeLimits, signal, () => {
      if (record.provisionalOutcome === undefined) return
      record.provisionalOutcome = 'unknown'
      record.sentAtMs = Date.now()
    })
  }

  /** What came of an exchange, and after how long. */
  #record (result: ExchangeResult, { record, method, companyId }: UpstreamCall, ms: number): SpanEnd {
    record.upstreamMs = (record.upstreamMs ?? 0) + ms
    const [status, failedPhase] = result.kind === 'response' ? [result.status] : [undefined, result.phase]
    recordResponse(result, record)
    this.#log.debug({ requestId: record.requestId, traceId: record.traceId, method, companyId, status, failedPhase, ms: Math.round(ms) }, 'exchange')
    return { method, status, error: result.kind === 'failure' ? failureType(result) : undefined }
  }

  #buildLimits (timeoutMs: number): ExchangeLimits {
    return {
      timeoutMs,
      idleTimeoutMs: this.#config.idleTimeoutMs,
      startTimeoutMs: Math.min(limits.upstream.connectTimeoutMs * 2, timeoutMs),
      responseMaxBytes: limits.upstream.responseMaxBytes,
    }
  }

  /** What an exchange tells of the token, of the allowance and of the host. */
  #applyFeedback (result: ExchangeResult, accessToken: string, { companyId, body }: UpstreamCall): void {
    const nowMs = Date.now()
    if (result.kind === 'response') {
      if (result.status === 401) this.#accessTokens.invalidate(accessToken)
      if (result.status === 411 && isStream(body)) this.#warnChunkedRejected()
      const throttle = parseThrottle(result, nowMs)
      if (throttle !== undefined) this.rateLimiter.throttle(companyId, throttle)
    }
    const hostSignal = breakerSignal(result, isStream(body), nowMs)
    if (hostSignal === 'up') this.#closeBreaker()
    else if (hostSignal === 'down' && this.breaker.recordFailure()) this.#log.warn({ waitMs: this.breaker.probeInMs }, 'the API host fails; requests are refused until it is back')
  }

  /** Whether Procore's edge takes chunked bodies is not documented; if it does not, the operator needs to hear the way out, once. */
  #warnChunkedRejected (): void {
    if (this.#warnedChunkedRejected) return
    this.#warnedChunkedRejected = true
    this.#log.error({ remedy: 'FORM_BUFFER_BYTES above AVATAR_MAX_BYTES' }, 'Procore answers 411 to streamed forms; hold forms whole instead')
  }

  #closeBreaker (): void {
    if (this.breaker.isOpen) this.#log.info({}, 'the API host is back')
    this.breaker.recordSuccess()
  }

  #assertBreakerClosed (): void {
    const { probeInMs } = this.breaker
    if (probeInMs === 0) return
    throw new Problem('procore_unavailable', 'Procore has failed repeatedly and is being left alone for a moment.', {
      outcome: 'not_sent', headers: { 'retry-after': String(Math.ceil(probeInMs / 1000)) },
    })
  }
}

function recordResponse (result: ExchangeResult, record: RequestRecord): void {
  if (result.kind !== 'response') return
  const requestId = result.headers['x-request-id']
  record.upstreamStatus = result.status
  if (isValidRequestId(requestId)) record.procoreRequestId = requestId
}
