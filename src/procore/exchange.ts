/**
 * Performs one HTTP exchange with Procore through undici's `dispatch`: writes a request, buffers the response, enforces
 * the time limits, and returns what happened. It never retries.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { toError } from '../server/errors.ts'
import { decodeContent } from './content-encoding.ts'
import { containsAccessToken, withoutAccessToken } from './redact-access-token.ts'
import { isStream, type HttpRequest } from './request.ts'
import { monotonicNowMs } from '../util/clock.ts'

/** Limits of one exchange. */
export interface ExchangeLimits {
  /** Longest time from the last byte sent until the response is complete. */
  timeoutMs: number
  /** The same for a request with an avatar. */
  formTimeoutMs: number
  /** Longest pause in writing a stream that has bytes to write. */
  idleTimeoutMs: number
  /** Longest time from dispatching the request until a connection takes it. */
  startTimeoutMs: number
  /** A response with a longer body is an ExchangeFailure. */
  responseMaxBytes: number
}

/** How far an exchange came: no connection; request partly written; no response yet; response partly read. */
export type ExchangePhase = 'connect' | 'send' | 'wait' | 'receive'

class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/**
 * Sends the request. Never rejects: an error is returned as an ExchangeFailure.
 * @param signal ends the exchange if it aborts before the last byte was sent. After that the response is awaited,
 * because Procore may have acted
 * @param onSent called when the last byte is handed to the socket
 */
export function exchange (
  dispatcher: Dispatcher,
  request: HttpRequest,
  limits: ExchangeLimits,
  signal: AbortSignal,
  onSent: () => void
): Promise<ExchangeResult> {
  const { body } = request
  if (isStream(body) && body.destroyed) {
    const cause = body.errored ?? new Error('the request body was aborted')
    return Promise.resolve({
      kind: 'failure',
      phase: 'connect',
      requestSent: false,
      timedOut: false,
      aborted: true,
      cause,
    })
  }
  return new Promise(resolve => {
    const handler = new ExchangeHandler(request, limits, signal, onSent, resolve)
    try {
      dispatcher.dispatch(request, handler)
      handler.abortOnSignal()
    } catch (error) {
      // undici passes its errors to the handler. Another dispatcher may throw them.
      handler.onResponseError(null, toError(error))
    }
  })
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest
  readonly #limits: ExchangeLimits
  readonly #signal: AbortSignal
  readonly #onSent: () => void
  readonly #resolve: (result: ExchangeResult) => void
  #timer: NodeJS.Timeout
  #timerDueAtMs: number
  /** When the current limit expires, which may be later than the timer. */
  #deadlineMs: number
  #controller: Dispatcher.DispatchController | undefined
  #settled = false
  #requestSent = false
  #receivedAtMs = 0
  #timedOut = false
  #aborted = false
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #chunks: Buffer[] = []
  #bytes = 0
  #countedBytes = 0

  constructor (
    request: HttpRequest,
    limits: ExchangeLimits,
    signal: AbortSignal,
    onSent: () => void,
    resolve: (result: ExchangeResult) => void
  ) {
    this.#request = request
    this.#limits = limits
    this.#signal = signal
    this.#onSent = onSent
    this.#resolve = resolve
    this.#timerDueAtMs = this.#deadlineMs = performance.now() + limits.startTimeoutMs
    this.#timer = setTimeout(this.#onTimer, limits.startTimeoutMs)
    if (isStream(request.body)) request.body.once('error', error => this.#abort(error))
  }

  /** Must be called after `dispatch`, which sends a buffered request at once if a connection is free. */
  abortOnSignal (): void {
    if (this.#requestSent || this.#settled) return
    if (this.#signal.aborted) this.#onAbort()
    else this.#signal.addEventListener('abort', this.#onAbort)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // The exchange ended while the request waited for a connection: undici writes no byte of it if it is aborted here.
    if (this.#settled) return controller.abort(new TimeoutError('the exchange ended before the request was sent'))
    // A buffered body is handed to the socket at once and needs no limit for pauses.
    if (isStream(this.#request.body)) this.#restartTimer(this.#limits.idleTimeoutMs)
  }

  onBodySent (): void {
    if (isStream(this.#request.body)) this.#restartTimer(this.#limits.idleTimeoutMs)
  }

  onRequestSent (): void {
    this.#requestSent = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#onSent()
    this.#restartTimer(this.#responseTimeoutMs())
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    this.#headers = headers
    this.#receivedAtMs = monotonicNowMs()
    if (this.#requestSent) return
    // This response is final. If the request became complete now, Procore could act on it and contradict the response.
    this.#request.stopBody?.()
    this.#restartTimer(this.#responseTimeoutMs())
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#limits.responseMaxBytes) {
      return controller.abort(new Error('the response body is too large'))
    }
    try {
      this.#request.countResponseBytes?.(chunk.length)
    } catch (error) {
      return this.#abort(toError(error))
    }
    this.#countedBytes += chunk.length
    this.#chunks.push(chunk)
  }

  onResponseEnd (): void {
    const [firstChunk] = this.#chunks
    const received = this.#chunks.length === 1 && firstChunk !== undefined ? firstChunk : Buffer.concat(this.#chunks)
    // The chunks must not stay in memory beside the body.
    this.#chunks = []
    const coding = this.#headers['content-encoding']
    const body = coding === undefined ? received : decodeContent(received, coding, this.#limits.responseMaxBytes)
    const { accessToken } = this.#request
    const headers = withoutAccessToken(this.#headers, accessToken)
    const leaks = headers !== this.#headers || (body !== undefined && containsAccessToken(body, accessToken))
    this.#settle({
      kind: 'response',
      status: this.#status,
      headers,
      body: leaks ? undefined : body,
      containsAccessToken: leaks,
      beforeRequestEnd: !this.#requestSent,
      receivedAtMs: this.#receivedAtMs,
    })
  }

  onResponseError (_controller: Dispatcher.DispatchController | null, cause: Error): void {
    this.#settle({
      kind: 'failure',
      phase: this.#phase(),
      requestSent: this.#requestSent,
      timedOut: this.#timedOut,
      aborted: this.#aborted,
      cause,
    })
  }

  readonly #onAbort = (): void => this.#abort(toError(this.#signal.reason))

  #abort (error: Error): void {
    if (this.#settled) return
    this.#aborted = !this.#timedOut
    this.onResponseError(null, error)
    this.#controller?.abort(error)
  }

  #phase (): ExchangePhase {
    if (this.#status !== 0) return 'receive'
    if (this.#requestSent) return 'wait'
    return this.#controller === undefined ? 'connect' : 'send'
  }

  /** Procore documents that uploads may take longer. The avatar of a stream may come late, so this is asked late. */
  #responseTimeoutMs (): number {
    const { timeoutMs, formTimeoutMs } = this.#limits
    return this.#request.hasImage?.() === true ? formTimeoutMs : timeoutMs
  }

  #handleTimeout (): void {
    const { body } = this.#request
    const isSending = this.#controller !== undefined && !this.#requestSent && this.#status === 0
    // A stream with nothing to write waits for the caller. The body reader enforces the caller's limit.
    if (isSending && isStream(body) && body.readableLength === 0) {
      this.#restartTimer(this.#limits.idleTimeoutMs)
      return
    }
    this.#timedOut = true
    const error = new TimeoutError('the exchange timed out')
    this.#abort(error)
    if (isStream(body)) body.destroy(error)
  }

  /**
   * Sets a new deadline. A timer that fires earlier stays and is set again when it fires: most exchanges end before any
   * timer does, so they need only one.
   */
  #restartTimer (ms: number): void {
    if (this.#settled) return
    this.#deadlineMs = performance.now() + ms
    if (this.#timerDueAtMs > this.#deadlineMs) this.#setTimer(ms)
  }

  #setTimer (ms: number): void {
    clearTimeout(this.#timer)
    this.#timerDueAtMs = performance.now() + ms
    this.#timer = setTimeout(this.#onTimer, ms)
  }

  readonly #onTimer = (): void => {
    this.#timerDueAtMs = Infinity
    const leftMs = this.#deadlineMs - performance.now()
    if (leftMs > 0) this.#setTimer(Math.ceil(leftMs))
    else this.#handleTimeout()
  }

  #settle (result: ExchangeResult): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#chunks = []
    this.#request.countResponseBytes?.(-this.#countedBytes)
    this.#resolve(result)
  }
}

/** A complete response other than 1xx. */
export interface UpstreamResponse {
  kind: 'response'
  status: number
  /** Names in lower case. A header that contains the access token is left out. */
  headers: IncomingHttpHeaders
  /**
   * Decoded, up to `limits.upstream.responseMaxBytes`. Undefined if its content coding cannot be decoded, or if the
   * response contains the access token.
   */
  body: Buffer | undefined
  containsAccessToken: boolean
  /** The response was complete before the last byte of the request was handed to the socket. */
  beforeRequestEnd: boolean
  /** When the response began, by the monotonic clock: its `Date` names the same moment by Procore's clock. */
  receivedAtMs: number
}

/** An exchange without a complete response. */
export interface ExchangeFailure {
  kind: 'failure'
  phase: ExchangePhase
  /** The last byte of the request was handed to the socket. */
  requestSent: boolean
  /** One of our time limits expired. */
  timedOut: boolean
  /** This side ended the exchange, because the form is invalid or the request was aborted: Procore did not fail. */
  aborted: boolean
  cause: Error
}

/** Every exchange ends in one of the two. */
export type ExchangeResult = UpstreamResponse | ExchangeFailure
