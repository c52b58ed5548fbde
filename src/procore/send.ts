/**
 * Sends one request to the API host, with an access token and within Procore's rate limit. Sends nothing while the
 * circuit breaker is open, and sends a request at most twice.
 */
import type { Dispatcher } from 'undici'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { getConnectionWaitMs } from '../config/longest-wait.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { UpstreamRecord } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import { isAbortReason, raceWithAbort } from '../server/abort.ts'
import type { SharedRateLimiter } from '../storage/shared-rate-limit.ts'
import { isValidRequestId } from '../server/request-id.ts'
import { RateLimiter, type Permit } from './rate-limit/limiter.ts'
import type { RateLimitUpdate } from './rate-limit/headers.ts'
import type { Purpose } from './rate-limit/state.ts'
import { Breaker, type RequestSource } from './breaker.ts'
import { exchange, type ExchangeLimits, type ExchangeResult, type UpstreamResponse } from './exchange.ts'
import { classify, expectJson, isHopStatus, type Classification, type ResponseExpectation } from './classify.ts'
import type { Delivery } from './delivery.ts'
import type { UpstreamResult } from './result.ts'
import { buildHttpRequest, isStream, type UpstreamRequest } from './request.ts'
import { errorType, failureType, startSpan, type SpanEnd } from '../telemetry/spans.ts'
import type { AccessTokenProvider } from './auth/token-provider.ts'
import { monotonicNowMs } from '../util/clock.ts'

/** A request with its time limits, its record, and whether it may be retried. */
export interface UpstreamCall extends UpstreamRequest {
  /** It is safe or idempotent (RFC 9110 §9.2), so it may be retried even if Procore may have acted on it. */
  isIdempotent: boolean
  /** The caller that it is sent for, for limits by caller; undefined if callers cannot be distinguished. */
  callerId?: string | undefined
  /**
   * A part of the rate limit is reserved for changes, and for requests that are part of one, such as a lookup. By
   * default, a GET is a read.
   */
  purpose?: Purpose
  /** What a successful response must look like. */
  expectation: ResponseExpectation
  /** Longest wait for the rate limit, if not `RATE_LIMIT_MAX_WAIT_MS`. */
  rateLimitMaxWaitMs?: number
  /** No second attempt is made, whatever the first one met. */
  isSentOnce?: boolean
  /** From the last byte sent until the response is complete, if not the configured time. */
  timeoutMs?: number
  /** Durations and ids are recorded in it for the log. */
  record: UpstreamRecord
  /** The outcome of a create or change. */
  delivery?: Delivery | undefined
  /** Called before each attempt, after the wait for the rate limit. If it throws an `AbortReason`, nothing is sent. */
  beforeSend?: () => Promise<void>
  /** Called when the last byte of an attempt is handed to the socket. */
  onSent?: (() => void) | undefined
  /** Called when Procore refused the first attempt before it acted, and a second one is made. */
  onRefused?: () => void
  /** When it aborts, waits end and nothing new is sent. */
  signal: AbortSignal
}

/** The parts of a request that the rate limiter needs. */
type PermitCall = Pick<UpstreamCall, 'companyId' | 'callerId' | 'method' | 'purpose' | 'signal' | 'record'>

/** The result of the attempt that counts. */
export interface SendResult {
  result: UpstreamResult
  /** The response of that attempt, if there was one. */
  response: UpstreamResponse | undefined
  /** When it was sent, by the monotonic clock; undefined if nothing was sent. */
  startedAtMs: number | undefined
}

interface SentAttempt extends SendResult {
  kind: 'sent'
  classification: Classification
  accessToken: string
  rateLimitWaitMs: number
}

/** An attempt that was not sent has the reason as its result. */
type Attempt = SentAttempt | SendResult & { kind: 'unsent' }

/** Returns the user of the access token. It needs no company, and no permission. */
const probePath = '/rest/v1.0/me'

/** Sends all requests to the API host, lookups included. */
export class UpstreamSender {
  readonly rateLimiter: RateLimiter
  readonly breaker = new Breaker(() => this.#probe())
  readonly #config: Config['procore']
  readonly #dispatcher: Dispatcher
  readonly #accessTokens: AccessTokenProvider
  readonly #log: Logger
  readonly #limits: ExchangeLimits
  /** Requests that are on a connection or wait for one. */
  #inFlight = 0
  readonly #warnedStatuses = new Set<number>()

  constructor (
    config: Config['procore'],
    dispatcher: Dispatcher,
    accessTokens: AccessTokenProvider,
    log: Logger,
    sharedRateLimiter?: SharedRateLimiter
  ) {
    this.rateLimiter = new RateLimiter(config, sharedRateLimiter, usage => {
      log.warn(usage, 'most of Procore\'s hourly rate limit is used')
    })
    this.#config = config
    this.#dispatcher = dispatcher
    this.#accessTokens = accessTokens
    this.#log = log
    this.#limits = {
      timeoutMs: config.timeoutMs,
      formTimeoutMs: config.formTimeoutMs,
      idleTimeoutMs: config.idleTimeoutMs,
      startTimeoutMs: getConnectionWaitMs(config),
      responseMaxBytes: limits.upstream.responseMaxBytes,
    }
  }

  /**
   * Whether no more requests can wait for the rate limit or for a connection. Must be checked before `send`, which does
   * not check it.
   */
  get isAtCapacity (): boolean {
    const { queueMax } = limits.rateLimit
    return this.rateLimiter.waitingCount >= queueMax || this.#inFlight >= this.#config.connections + queueMax
  }

  /** Stops all timers. */
  stop (): void {
    this.rateLimiter.stop()
    this.breaker.stop()
  }

  /** Sends the request at most twice. A failure before anything was sent has the outcome `not_sent`. */
  async send (call: UpstreamCall): Promise<SendResult> {
    let maxWaitMs = call.rateLimitMaxWaitMs ?? this.#config.rateLimitMaxWaitMs
    const first = await this.#attempt(call, maxWaitMs, 0)
    // Only the wait for the rate limit counts: a slow response does not shorten the wait of the retry.
    maxWaitMs = Math.max(0, maxWaitMs - (first.kind === 'sent' ? first.rateLimitWaitMs : 0))
    if (!this.#mayRetry(first, call, maxWaitMs)) return first
    if (first.classification.retryReason !== 'transient') {
      call.delivery?.onRefused()
      call.onRefused?.()
    }
    const second = await this.#attempt(call, maxWaitMs, 1)
    return supersedes(second, first.classification, call.method) ? second : first
  }

  /** Whether a second attempt may succeed, and cannot make Procore act twice on a request that is not idempotent. */
  #mayRetry (
    attempt: Attempt, { isSentOnce, body, signal, companyId }: UpstreamCall, maxWaitMs: number
  ): attempt is SentAttempt {
    if (attempt.kind === 'unsent' || isSentOnce === true || isStream(body) || signal.aborted) return false
    switch (attempt.classification.retryReason) {
      // Procore would refuse the same access token again.
      case 'unauthorized': return this.#accessTokens.current() !== attempt.accessToken
      case 'throttled': return this.rateLimiter.throttledMs(companyId) <= maxWaitMs
      case 'transient': return true
      case undefined: return false
    }
  }

  async #attempt (call: UpstreamCall, maxWaitMs: number, resendCount: number): Promise<Attempt> {
    let permit: Permit | undefined
    let rateLimitUpdate: RateLimitUpdate | undefined
    try {
      this.#assertBreakerClosed()
      // A request that waits for an access token must not hold a rate-limit permit meanwhile.
      const endTokenSpan = startSpan(call.record, 'access_token')
      if (this.#accessTokens.current() === undefined) await this.#fetchAccessToken(call.signal, endTokenSpan)
      else endTokenSpan()
      permit = await this.acquirePermit(call, maxWaitMs)
      const accessToken = this.#accessTokens.current() ?? await this.#fetchAccessToken(call.signal)
      call.signal.throwIfAborted()
      this.#assertBreakerClosed()
      if (call.beforeSend !== undefined) await call.beforeSend()
      const attempt = await this.#exchange(call, accessToken, permit.waitMs, resendCount)
      rateLimitUpdate = attempt.classification.rateLimit
      return attempt
    } catch (error) {
      if (!isAbortReason(error)) throw error
      return { kind: 'unsent', result: { kind: 'failure', error }, response: undefined, startedAtMs: undefined }
    } finally {
      permit?.release(rateLimitUpdate)
    }
  }

  async #fetchAccessToken (signal: AbortSignal, endSpan?: (end?: SpanEnd) => void): Promise<string> {
    try {
      const accessToken = await raceWithAbort(this.#accessTokens.get(), signal)
      endSpan?.()
      return accessToken
    } catch (error) {
      endSpan?.({ error: errorType(error) })
      throw error
    }
  }

  /** Waits for the rate limit, and records the wait. The permit must be released. */
  async acquirePermit (call: PermitCall, maxWaitMs: number): Promise<Permit> {
    const { companyId, callerId, method, purpose = method === 'GET' ? 'read' : 'change', signal, record } = call
    const endSpan = startSpan(record, 'rate_limit')
    const startedAtMs = monotonicNowMs()
    try {
      const permit = await this.rateLimiter.acquire({
        companyId, callerId, purpose, maxWaitMs, signal
      })
      // A permit that is granted at once has no wait to record.
      if (permit.waitMs > 0) endSpan()
      addRateLimitWait(record, permit.waitMs)
      return permit
    } catch (error) {
      endSpan({ error: errorType(error) })
      addRateLimitWait(record, monotonicNowMs() - startedAtMs)
      throw error
    }
  }

  async #exchange (
    call: UpstreamCall, accessToken: string, rateLimitWaitMs: number, resendCount: number
  ): Promise<SentAttempt> {
    const { record, method, path, delivery, timeoutMs, signal, body, isIdempotent, expectation } = call
    const startedAtMs = monotonicNowMs()
    const startedAt = performance.now()
    const exchangeLimits = timeoutMs === undefined ? this.#limits : { ...this.#limits, timeoutMs }
    const endSpan = startSpan(record, 'upstream')
    this.#inFlight++
    try {
      const request = buildHttpRequest(call, this.#config.apiUrl, accessToken)
      const onSent = () => {
        delivery?.onSent(monotonicNowMs())
        call.onSent?.()
      }
      const exchangeResult = await exchange(this.#dispatcher, request, exchangeLimits, signal, onSent)
      const response = exchangeResult.kind === 'response' ? exchangeResult : undefined
      const isStreamed = isStream(body)
      // The wall clock, because a header may name a date in a response without a `Date`.
      const classification = classify(exchangeResult, { isIdempotent, isStreamed, expectation }, Date.now())
      const error = exchangeResult.kind === 'failure' ? failureType(exchangeResult) : undefined
      endSpan({ method, path, resendCount, status: response?.status, error })
      this.#record(exchangeResult, call, performance.now() - startedAt)
      this.#applyFeedback(classification, response?.status, accessToken, call)
      const { result } = classification
      return { kind: 'sent', result, response, startedAtMs, classification, accessToken, rateLimitWaitMs }
    } finally {
      this.#inFlight--
    }
  }

  /** Records the result and duration of an exchange. */
  #record (exchangeResult: ExchangeResult, { record, method, companyId }: UpstreamCall, ms: number): void {
    record.upstreamMs = (record.upstreamMs ?? 0) + ms
    if (exchangeResult.kind === 'response') {
      const procoreRequestId = exchangeResult.headers['x-request-id']
      record.upstreamStatus = exchangeResult.status
      if (isValidRequestId(procoreRequestId)) record.procoreRequestId = procoreRequestId
    }
    const { requestId, traceId } = record
    const status = exchangeResult.kind === 'response' ? exchangeResult.status : undefined
    const failedPhase = exchangeResult.kind === 'response' ? undefined : exchangeResult.phase
    this.#log.debug({ requestId, traceId, method, companyId, status, failedPhase, ms: Math.round(ms) }, 'exchange')
  }

  /** Sends a cheap request of this service while the breaker is open, so that no caller's request is the probe. */
  async #probe (): Promise<void> {
    const response = await this.request(probePath)
    this.#log.debug({ status: response?.status }, 'the API host was probed')
  }

  /**
   * Sends a GET request of this service's own, for no company. It is sent once, also while the circuit breaker is open,
   * and takes no permit of the rate limit, so there must be few of them.
   */
  async request (path: string): Promise<UpstreamResponse | undefined> {
    const accessToken = await this.#accessTokens.get().catch(() => undefined)
    if (accessToken === undefined) return undefined
    const parts = { method: 'GET', path, companyId: undefined, body: null } as const
    const request = buildHttpRequest(parts, this.#config.apiUrl, accessToken)
    const { signal } = new AbortController()
    const result = await exchange(this.#dispatcher, request, this.#limits, signal, () => {})
    const properties = { isIdempotent: true, isStreamed: false, expectation: expectJson }
    const classification = classify(result, properties, Date.now())
    const response = result.kind === 'response' ? result : undefined
    this.#applyFeedback(classification, response?.status, accessToken, parts)
    return response
  }

  /** Updates the access token and the circuit breaker. The permit updates the rate limit when it is released. */
  #applyFeedback (
    { retryReason, hostSignal }: Classification,
    status: number | undefined,
    accessToken: string,
    source: RequestSource & Pick<UpstreamCall, 'body'>
  ): void {
    if (retryReason === 'unauthorized') this.#accessTokens.invalidate(accessToken)
    if (status !== undefined && isHopStatus(status, isStream(source.body))) this.#warnHopStatus(status)
    if (hostSignal === 'up' && this.breaker.recordSuccess()) this.#log.info({}, 'the API host has recovered')
    const hasOpened = hostSignal === 'down'
      ? this.breaker.recordFailure()
      : hostSignal === 'suspect' && this.breaker.recordSuspect(source)
    if (hasOpened) {
      const waitMs = this.breaker.probeInMs
      this.#log.warn({ waitMs }, 'the API host is failing; requests are refused until it recovers')
    }
  }

  /** Logs the remedy, once for each status. It is not documented whether Procore's edge accepts chunked bodies. */
  #warnHopStatus (status: number): void {
    if (this.#warnedStatuses.has(status)) return
    this.#warnedStatuses.add(status)
    if (status === 411) {
      const remedy = 'FORM_BUFFER_BYTES above AVATAR_MAX_BYTES'
      this.#log.error({ status, remedy }, 'Procore rejects streamed forms with 411; buffer forms instead')
    } else {
      const remedy = 'check HTTPS_PROXY, NO_PROXY and the proxies between this service and Procore'
      this.#log.error({ status, remedy }, 'a server between this service and Procore refuses requests')
    }
  }

  /** @throws {Problem} `procore_unavailable` */
  #assertBreakerClosed (): void {
    const { isOpen, probeInMs } = this.breaker
    if (!isOpen) return
    throw new Problem('procore_unavailable', 'Procore has failed repeatedly. Requests are paused for a moment.', {
      outcome: 'not_sent', headers: { 'retry-after': String(Math.max(1, Math.ceil(probeInMs / 1000))) },
    })
  }
}

function addRateLimitWait (record: UpstreamRecord, waitMs: number): void {
  if (waitMs > 0) record.rateLimitWaitMs = (record.rateLimitWaitMs ?? 0) + waitMs
}

/**
 * Whether the second attempt counts. If the first one was refused, it does. Otherwise Procore may have acted on the
 * first one, and the second one counts only if it shows the outcome of both.
 */
function supersedes (
  { kind, result }: Attempt, { retryReason, mayBeProcessed }: Classification, method: UpstreamCall['method']
): boolean {
  if (retryReason !== 'transient') return true
  if (kind === 'unsent') return false
  if (!mayBeProcessed || result.kind === 'success') return true
  return result.kind === 'rejection' && (method === 'GET' || contentStatuses.has(result.status))
}

/**
 * Rejections of what a request contains, which both attempts got. Any other one may be due to a change between them: a
 * user whom the first attempt reactivated is not among the inactive users, and gets 404.
 */
const contentStatuses: ReadonlySet<number> = new Set([400, 413, 415, 422])
