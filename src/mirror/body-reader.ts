/**
 * Reads the body of a caller's request into a sink, chunk by chunk, within time limits, and can be paused when the sink is full.
 * What it does not read after it was stopped is left to whoever ends the connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { CallerGone, Problem } from '../problem.ts'

/** How long a caller may take, in milliseconds. */
export interface ReadLimits {
  /** Longest pause of the caller. */
  idleTimeoutMs: number
  /** Longest time for the whole body. */
  timeoutMs: number
}

/** One body. It begins at once, and says `100 Continue` to whoever waits for it. A sink that throws ends it. */
export class BodyReader {
  /** Resolves when the body was read to its end; rejects with a Problem, with CallerGone, or with what the sink threw. */
  readonly done: Promise<void>
  bytes = 0
  readonly #raw: IncomingMessage
  readonly #sink: (chunk: Buffer) => void
  readonly #limits: ReadLimits
  readonly #startedAtMs = performance.now()
  #movedAtMs = this.#startedAtMs
  #timer: NodeJS.Timeout
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #ended = false
  #paused = false

  constructor (raw: IncomingMessage, response: ServerResponse, limits: ReadLimits, sink: (chunk: Buffer) => void) {
    this.#raw = raw
    this.#sink = sink
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.done = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#limits = limits
    this.#timer = setTimeout(this.#onTime, Math.min(limits.idleTimeoutMs, limits.timeoutMs))
    if (raw.destroyed) this.#fail(new CallerGone())
    else this.#start(response)
  }

  #start (response: ServerResponse): void {
    // RFC 9110 §10.1.1: only now is it known that the body is wanted.
    if (this.#raw.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
    this.#raw.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', ignore)
  }

  pause (): void {
    this.#paused = true
    this.#raw.pause()
  }

  resume (): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    this.#movedAtMs = performance.now()
    this.#raw.resume()
  }

  /** Nothing more reaches the sink; `done` stays as it is. */
  stop (): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#raw.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    this.#raw.pause()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytes += chunk.length
    this.#movedAtMs = performance.now()
    try {
      this.#sink(chunk)
    } catch (error) {
      this.#fail(error)
    }
  }

  readonly #onEnd = (): void => {
    this.stop()
    this.#resolve()
  }

  readonly #onClose = (): void => {
    this.#fail(new CallerGone())
  }

  /** One timer for both limits, which looks again when it has fired too early for either. */
  readonly #onTime = (): void => {
    const { idleTimeoutMs, timeoutMs } = this.#limits
    const nowMs = performance.now()
    // While it is paused the caller is not the one who is slow.
    const idleLeftMs = this.#paused ? idleTimeoutMs : this.#movedAtMs + idleTimeoutMs - nowMs
    const leftMs = Math.min(idleLeftMs, this.#startedAtMs + timeoutMs - nowMs)
    if (leftMs <= 0) this.#fail(tooSlow())
    else this.#timer = setTimeout(this.#onTime, Math.ceil(leftMs))
  }

  #fail (error: unknown): void {
    this.stop()
    this.#reject(error)
  }
}

/** The rest of the body would be taken for the next request, so the connection can't be kept. */
const tooSlow = () => new Problem('request_timeout', 'The body did not arrive in time.', { headers: { connection: 'close' } })

function ignore (): void {}
