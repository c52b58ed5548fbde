/**
 * One HTTP exchange with Procore over undici's `dispatch`: it writes a request, reads the answer whole, keeps the time limits,
 * and tells what happened. It never repeats anything and knows nothing of tokens or of what an answer means.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { ClientDisconnectedError } from '../server/errors.ts'
import type { DisconnectSignal } from '../server/disconnect-signal.ts'
import { isStream, type HttpRequest } from './request.ts'

/** What one exchange may take. */
export interface ExchangeLimits {
  /** From the last byte sent until the answer is complete. */
  timeoutMs: number
  /** Longest pause in writing a stream that has bytes to write. */
  idleTimeoutMs: number
  /** From being asked until a connection takes the request. */
  startTimeoutMs: number
  /** Of the body; an answer that has more is a breakdown. */
  responseMaxBytes: number
}

class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/**
 * Resolves always, and only once: what went wrong is a Breakdown. `onSent` is called when the last byte is handed to the socket;
 * until then the exchange ends when the caller leaves, after it the answer is awaited all the same.
 */
export function exchange (dispatcher: Dispatcher, request: HttpRequest, limits: ExchangeLimits, signal: DisconnectSignal, onSent: () => void): Promise<ExchangeResult> {
  const { body } = request
  if (isStream(body) && body.destroyed) {
    return Promise.resolve({ kind: 'failure', phase: 'connect', requestSent: false, timedOut: false, aborted: true, cause: body.errored ?? new Error('the body was given up') })
  }
  return new Promise(resolve => {
    const handler = new ExchangeHandler(request, limits, onSent, resolve)
    handler.abortOn(signal)
    dispatcher.dispatch(request, handler)
  })
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest
  readonly #limits: ExchangeLimits
  readonly #onSent: () => void
  readonly #resolve: (result: ExchangeResult) => void
  #timer: NodeJS.Timeout
  #timerDueAtMs: number
  /** When the present limit runs out, which may be later than the timer. */
  #deadlineMs: number
  #controller: Dispatcher.DispatchController | undefined
  #settled = false
  #requestSent = false
  #receivedAtMs = 0
  #timedOut = false
  #aborted = false
  #unsubscribe: (() => void) | undefined
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #chunks: Buffer[] = []
  #bytes = 0

  constructor (request: HttpRequest, limits: ExchangeLimits, onSent: () => void, resolve: (result: ExchangeResult) => void) {
    this.#request = request
    this.#limits = limits
    this.#onSent = onSent
    this.#resolve = resolve
    this.#timerDueAtMs = this.#deadlineMs = performance.now() + limits.startTimeoutMs
    this.#timer = setTimeout(this.#onTimer, limits.startTimeoutMs)
    if (isStream(request.body)) request.body.once('error', error => this.#abort(error))
  }

  abortOn (signal: DisconnectSignal): void {
    this.#unsubscribe = signal.onAbort(() => { if (!this.#requestSent) this.#abort(new ClientDisconnectedError()) })
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // The request was given up while it waited for a connection: aborting here keeps every byte of it back.
    if (this.#settled) return controller.abort(new TimeoutError('given up before it was sent'))
    // What is whole is handed to the socket at once.
    if (isStream(this.#request.body)) this.#restartTimer(this.#limits.idleTimeoutMs)
  }

  onBodySent (): void {
    if (isStream(this.#request.body)) this.#restartTimer(this.#limits.idleTimeoutMs)
  }

  onRequestSent (): void {
    this.#requestSent = true
    this.#onSent()
    this.#restartTimer(this.#limits.timeoutMs)
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    this.#receivedAtMs = Date.now()
    if (this.#requestSent) return
    // The answer stands, so what has not left need not leave; a request that became complete now would make it untrue.
    this.#request.stopBody?.()
    this.#restartTimer(this.#limits.timeoutMs)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#limits.responseMaxBytes) return controller.abort(new Error('the answer is over the limit'))
    this.#chunks.push(chunk)
  }

  onResponseEnd (): void {
    const body = this.#chunks.length === 1 && this.#chunks[0] !== undefined ? this.#chunks[0] : Buffer.concat(this.#chunks)
    this.#settle({ kind: 'response', status: this.#status, headers: this.#headers, body, beforeRequestEnd: !this.#requestSent, receivedAtMs: this.#receivedAtMs })
  }

  onResponseError (_controller: Dispatcher.DispatchController | null, cause: Error): void {
    this.#settle({ kind: 'failure', phase: this.#phase(), requestSent: this.#requestSent, timedOut: this.#timedOut, aborted: this.#aborted, cause })
  }

  #abort (error: Error): void {
    if (this.#settled) return
    this.#aborted = !this.#timedOut
    this.onResponseError(null, error)
    this.#controller?.abort(error)
  }

  #phase (): 'connect' | 'send' | 'wait' | 'receive' {
    if (this.#status !== 0) return 'receive'
    if (this.#requestSent) return 'wait'
    return this.#controller === undefined ? 'connect' : 'send'
  }

  #handleTimeout (): void {
    const { body } = this.#request
    // A stream with nothing to write waits for the caller, whose own limit is kept where the caller is read.
    if (this.#controller !== undefined && !this.#requestSent && this.#status === 0 && isStream(body) && body.readableLength === 0) {
      this.#restartTimer(this.#limits.idleTimeoutMs)
      return
    }
    this.#timedOut = true
    const error = new TimeoutError('the time limit of the exchange ran out')
    this.#abort(error)
    if (isStream(body)) body.destroy(error)
  }

  /** A timer that is due sooner stays, and looks again: most exchanges end long before any. */
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
    this.#unsubscribe?.()
    this.#resolve(result)
  }
}

/** A complete answer that is not 1xx. */
export interface UpstreamResponse {
  kind: 'response'
  status: number
  /** Names in lower case. */
  headers: IncomingHttpHeaders
  /** Up to `limits.upstream.responseMaxBytes`. */
  body: Buffer
  /** It came to its end before the last byte of the request was handed to the socket. */
  beforeRequestEnd: boolean
  /** When it began, by our own clock: its `Date` is of that moment. */
  receivedAtMs: number
}

/** No complete answer. */
export interface ExchangeFailure {
  kind: 'failure'
  /** How far it came: no connection; the request partly written; all written and no answer; the answer partly read. */
  phase: 'connect' | 'send' | 'wait' | 'receive'
  /** The last byte of the request was handed to the socket. */
  requestSent: boolean
  /** A time limit of ours ran out. */
  timedOut: boolean
  /** It was ended from this side, because the form was given up or the caller left: Procore is not to blame. */
  aborted: boolean
  cause: Error
}

/** An exchange ends in one of the two, always. */
export type ExchangeResult = UpstreamResponse | ExchangeFailure
