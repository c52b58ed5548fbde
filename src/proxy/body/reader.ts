/**
 * Reads the body of a caller's request into a sink, chunk by chunk, within time limits, and can be paused when the sink is full.
 * What it does not read after it was stopped is left to whoever ends the connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Problem } from '../../server/problem.ts'
import { ClientDisconnectedError } from '../../server/errors.ts'

/** How long a caller may take, in milliseconds. */
export interface ReadLimits {
  /** Longest pause of the caller. */
  idleTimeoutMs: number
  /** Longest time for the whole body. */
  timeoutMs: number
}

/** One body, to be read once. A sink that throws ends it. */
export class BodyReader {
  bytes = 0
  readonly #raw: IncomingMessage
  readonly #sink: (chunk: Buffer) => void
  readonly #limits: ReadLimits
  #startedAtMs = 0
  #lastChunkAtMs = 0
  #timer: NodeJS.Timeout | undefined
  /** Takes the listeners back, once there are any. */
  #unsubscribe: (() => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #ended = false
  #paused = false

  constructor (raw: IncomingMessage, limits: ReadLimits, sink: (chunk: Buffer) => void) {
    this.#raw = raw
    this.#sink = sink
    this.#limits = limits
  }

  /**
   * Resolves when the body was read to its end, or returns at once where all of it is there. Says `100 Continue` to whoever waits for it.
   * @param response of the same request
   * @throws {Problem} `request_timeout`; CallerGone; whatever the sink threw
   */
  read (response: ServerResponse): Promise<void> | undefined {
    if (this.#raw.destroyed) throw new ClientDisconnectedError()
    if (isFullyBuffered(this.#raw)) return this.#readBuffered()
    // RFC 9110 §10.1.1: only now is it known that the body is wanted.
    if (this.#raw.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#reject = reject
    this.#start(resolve)
    return promise
  }

  /** Without listeners and timers, since nobody is waited for. */
  #readBuffered (): undefined {
    const chunk: Buffer | null = this.#raw.read()
    this.#ended = true
    // Node knows that a request was read when its end was.
    this.#raw.resume()
    if (chunk === null) return
    this.bytes = chunk.length
    this.#sink(chunk)
  }

  #start (resolve: () => void): void {
    const raw = this.#raw
    const { idleTimeoutMs, timeoutMs } = this.#limits
    const onData = (chunk: Buffer) => this.#write(chunk)
    const onEnd = () => {
      this.stop()
      resolve()
    }
    const onClose = () => this.#fail(new ClientDisconnectedError())
    this.#startedAtMs = this.#lastChunkAtMs = performance.now()
    this.#timer = setTimeout(() => this.#checkTimeouts(), Math.min(idleTimeoutMs, timeoutMs))
    raw.on('data', onData).on('end', onEnd).on('close', onClose).on('error', noop)
    this.#unsubscribe = () => raw.off('data', onData).off('end', onEnd).off('close', onClose).pause()
  }

  pause (): void {
    if (this.#ended) return
    this.#paused = true
    this.#raw.pause()
  }

  resume (): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    this.#lastChunkAtMs = performance.now()
    this.#raw.resume()
  }

  /** Nothing more reaches the sink; whoever waits for the end goes on waiting. */
  stop (): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#unsubscribe?.()
  }

  #write (chunk: Buffer): void {
    this.bytes += chunk.length
    this.#lastChunkAtMs = performance.now()
    try {
      this.#sink(chunk)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** One timer for both limits, which looks again when it has fired too early for either. */
  #checkTimeouts (): void {
    const { idleTimeoutMs, timeoutMs } = this.#limits
    const nowMs = performance.now()
    // While it is paused the caller is not the one who is slow.
    const idleLeftMs = this.#paused ? idleTimeoutMs : this.#lastChunkAtMs + idleTimeoutMs - nowMs
    const leftMs = Math.min(idleLeftMs, this.#startedAtMs + timeoutMs - nowMs)
    if (leftMs <= 0) this.#fail(timeoutProblem())
    else this.#timer = setTimeout(() => this.#checkTimeouts(), Math.ceil(leftMs))
  }

  #fail (error: unknown): void {
    this.stop()
    this.#reject?.(error)
  }
}

/**
 * Whether the whole body has come, as a small one mostly has, which comes with its head. It is at most what is read of a connection whose body
 * nobody takes. Whoever expects a word beforehand is given it all the same, since Node ends the connection of one who is not.
 */
function isFullyBuffered ({ complete, readableLength, headers }: IncomingMessage): boolean {
  return headers.expect === undefined && (complete || readableLength === Number(headers['content-length']))
}

/** The rest of the body would be taken for the next request, so the connection can't be kept. */
const timeoutProblem = () => new Problem('request_timeout', 'The body did not arrive in time.', { headers: { connection: 'close' } })

function noop (): void {}
