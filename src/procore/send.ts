/**
 * Sends one request to the API host, with an access token and within Procore's rate limit. Sends nothing while the
 * circuit breaker is open, and retries at most once, if retry-policy.ts allows it.
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
import { parseRateLimitUpdate } from './rate-limit/headers.ts'
import { Breaker, breakerSignal } from './breaker.ts'
import type { Permit } from './rate-limit/rate-limit.ts'
import { raceWithAbort, type DisconnectSignal } from '../server/disconnect-signal.ts'
import { exchange, type ExchangeLimits, type ExchangeResult } from './exchange.ts'
import { isTransient, retryReason, supersedes } from './retry-policy.ts'
import { buildHttpRequest, isStream, type UpstreamRequest } from './request.ts'
import { failureType, errorType, startSpan, withSpan, type SpanEnd } from '../telemetry/spans.ts'
import type { AccessTokenProvider } from './auth/token-provider.ts'

/** A request with its time limits, its record, and whether it may be retried. */
export interface UpstreamCall extends UpstreamRequest {
  /** It is safe or idempotent (RFC 9110 §9.2), so it may be retried even if Procore may have acted on it. */
  isIdempotent?: boolean
  /** Longest wait for the rate limit, if not `RATE_LIMIT_MAX_WAIT_MS`. */
  rateLimitMaxWaitMs?: number
  /** From the last byte sent until the response is complete, if not `UPSTREAM_TIMEOUT_MS`. */
  timeoutMs?: number
  /** Durations and ids are recorded in it for the log. */
  record: RequestRecord
  /** If the caller disconnects, waits end and nothing new is sent. */
  signal: DisconnectSignal
}

/** The result of the final attempt, or of the first one if the retry does not supersede it. */
export interface AttemptResult {
  result: ExchangeResult
  /** When it was sent, by the local clock. */
  startedAtMs: number
}

interface Attempt extends AttemptResult {
  accessToken: string
  rateLimitWaitMs: number
}

/** Sends all requests to the API host, lookups included. */
export class UpstreamSender {
  readonly rateLimiter: RateLimiter
  readonly breaker = new Breaker()
  readonly #config: Config['procore']
  readonly #dispatcher: Dispatcher
  readonly #accessTokens: AccessTokenProvider
  readonly #log: Logger
  readonly #limits: ExchangeLimits
  /** Requests that are on a connection or wait for one. */
  #inFlight = 0
  #warnedChunkedRejected = false

  constructor (
    config: Config['procore'],
    dispatcher: Dispatcher,
    accessTokens: AccessTokenProvider,
    log: Logger,
    sharedRateLimiter?: SharedRateLimiter
  ) {
    this.rateLimiter = new RateLimiter(config, sharedRateLimiter)
    this.#config = config
    this.#dispatcher = dispatcher
    this.#accessTokens = accessTokens
    this.#log = log
    this.#limits = this.#buildLimits(config.timeoutMs)
  }

  /**
   * Whether no more requests can wait for the rate limit or for a connection. Must be checked before `send`, which does
   * not check it.
   */
  get isAtCapacity (): boolean {
    const { queueMax } = limits.rateLimit
    return this.rateLimiter.waitingCount >= queueMax || this.#inFlight >= this.#config.connections + queueMax
  }

  /**
   * Returns the result of the request, which may be an ExchangeFailure.
   * @throws {Problem} `procore_rate_limited`, `procore_unavailable`, `procore_unauthorized` or `overloaded`, with the
   * outcome `not_sent`: nothing was sent, or Procore refused the first attempt before it acted
   * @throws {ClientDisconnectedError} in the same cases, if the caller disconnected
   */
  async send (call: UpstreamCall): Promise<AttemptResult> {
    const { rateLimitMaxWaitMs: maxWaitMs = this.#config.rateLimitMaxWaitMs } = call
    const initial = await this.#attempt(call, maxWaitMs)
    const retryDelayMs = this.#retryDelayMs(initial, call.companyId)
    // Only the wait for the rate limit counts: a slow response does not shorten the wait of the retry.
    const leftMs = Math.max(0, maxWaitMs - initial.rateLimitWaitMs)
    if (retryDelayMs === undefined) {
      const mayRetry = call.isIdempotent === true && isTransient(initial.result)
      return mayRetry ? this.#retryIdempotent(call, initial, leftMs) : initial
    }
    if (isStream(call.body) || call.signal.aborted || retryDelayMs > leftMs) return initial
    if (call.record.provisionalOutcome !== undefined) call.record.provisionalOutcome = 'not_sent'
    return this.#attempt(call, leftMs)
  }

  /** Retries although Procore may have acted on the first attempt. */
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

  /**
   * Returns how long to wait before a retry, in milliseconds, if it is certain that Procore did not act on the request;
   * else undefined.
   */
  #retryDelayMs ({ result, accessToken }: Attempt, companyId: number): number | undefined {
    const reason = retryReason(result, Date.now())
    // Procore would refuse the same access token again.
    if (reason === 'unauthorized') return this.#accessTokens.current() === accessToken ? undefined : 0
    return reason === 'throttled' ? this.rateLimiter.throttledMs(companyId) : undefined
  }

  async #attempt (call: UpstreamCall, maxWaitMs: number): Promise<Attempt> {
    const { signal, record } = call
    this.#assertBreakerClosed()
    // A request that waits for an access token must not hold a rate-limit permit meanwhile.
    const endSpan = startSpan(record, 'access_token')
    const pendingToken = this.#getAccessToken(signal)
    if (pendingToken instanceof Promise) await withSpan(pendingToken, endSpan)
    else endSpan()
    const acquireStartedAtMs = Date.now()
    const permit = await this.#acquirePermit(call, maxWaitMs)
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
      permit.release(result && parseRateLimitUpdate(result, Date.now()))
    }
  }

  #getAccessToken (signal: DisconnectSignal): string | Promise<string> {
    return this.#accessTokens.current() ?? raceWithAbort(this.#accessTokens.get(), signal)
  }

  async #acquirePermit ({ companyId, signal, record }: UpstreamCall, maxWaitMs: number): Promise<Permit> {
    const endSpan = startSpan(record, 'rate_limit')
    const startedAt = performance.now()
    const controller = new AbortController()
    const unsubscribe = signal.onAbort(() => controller.abort(new ClientDisconnectedError()))
    const request = { companyId, maxWaitMs, signal: controller.signal }
    let error: string | undefined
    try {
      return await this.rateLimiter.acquire(request)
    } catch (thrown) {
      error = errorType(thrown)
      throw thrown
    } finally {
      unsubscribe()
      const waitedMs = performance.now() - startedAt
      // A permit that is granted at once has no wait to record.
      if (waitedMs >= 2 || error !== undefined) endSpan({ error })
      if (waitedMs >= 2) record.rateLimitWaitMs = (record.rateLimitWaitMs ?? 0) + waitedMs
    }
  }

  #exchange (call: UpstreamCall, accessToken: string): Promise<ExchangeResult> {
    const { record, timeoutMs, signal } = call
    const exchangeLimits = timeoutMs === undefined ? this.#limits : this.#buildLimits(timeoutMs)
    const httpRequest = buildHttpRequest(call, this.#config.apiUrl, accessToken)
    return exchange(this.#dispatcher, httpRequest, exchangeLimits, signal, () => {
      if (record.provisionalOutcome === undefined) return
      record.provisionalOutcome = 'unknown'
      record.sentAtMs = Date.now()
    })
  }

  /** Records the result and duration of an exchange. Returns the attributes that end its span. */
  #record (result: ExchangeResult, { record, method, companyId }: UpstreamCall, ms: number): SpanEnd {
    record.upstreamMs = (record.upstreamMs ?? 0) + ms
    const [status, failedPhase] = result.kind === 'response' ? [result.status] : [undefined, result.phase]
    recordResponse(result, record)
    const { requestId, traceId } = record
    this.#log.debug({ requestId, traceId, method, companyId, status, failedPhase, ms: Math.round(ms) }, 'exchange')
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

  /** Updates the access token, the rate limit and the circuit breaker with the result of an exchange. */
  #applyFeedback (result: ExchangeResult, accessToken: string, { body }: UpstreamCall): void {
    const nowMs = Date.now()
    if (result.kind === 'response') {
      if (result.status === 401) this.#accessTokens.invalidate(accessToken)
      if (result.status === 411 && isStream(body)) this.#warnChunkedRejected()
    }
    const hostSignal = breakerSignal(result, isStream(body), nowMs)
    if (hostSignal === 'up') this.#closeBreaker()
    if (hostSignal === 'down' && this.breaker.recordFailure()) {
      const waitMs = this.breaker.probeInMs
      this.#log.warn({ waitMs }, 'the API host is failing; requests are refused until it recovers')
    }
  }

  /**
   * Logs the remedy, once, if Procore rejects chunked bodies: it is not documented whether Procore's edge accepts them.
   */
  #warnChunkedRejected (): void {
    if (this.#warnedChunkedRejected) return
    this.#warnedChunkedRejected = true
    const remedy = 'FORM_BUFFER_BYTES above AVATAR_MAX_BYTES'
    this.#log.error({ remedy }, 'Procore rejects streamed forms with 411; buffer forms instead')
  }

  #closeBreaker (): void {
    if (this.breaker.isOpen) this.#log.info({}, 'the API host has recovered')
    this.breaker.recordSuccess()
  }

  #assertBreakerClosed (): void {
    const { probeInMs } = this.breaker
    if (probeInMs === 0) return
    throw new Problem('procore_unavailable', 'Procore has failed repeatedly. Requests are paused for a moment.', {
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
