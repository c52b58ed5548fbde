import type { IncomingMessage, ServerResponse } from 'node:http'
import { Problem } from '../../server/problem.ts'
import type { RequestContext } from '../context.ts'
import type { RequestUsage } from '../usage.ts'

/** Time limits for reading a body. */
export interface ReadLimits {
  /** Longest time without a chunk. */
  idleTimeoutMs: number
  /** Longest time for the whole body. */
  timeoutMs: number
  /** Lowest average rate in each window. Time in which the reader is paused does not count. */
  minBytesPerSecond: number
  rateWindowMs: number
}

/** The part of a request that is needed to read its body. */
type ReaderContext = Pick<RequestContext, 'raw' | 'signal' | 'usage'> & { bodyLimits: ReadLimits }

/**
 * Reads one request body into a sink, chunk by chunk, within time limits. It can be paused while the sink is full. If
 * the sink throws, reading ends. Bytes that remain after `stop` are left for the code that closes the connection.
 */
export class BodyReader {
  bytes = 0
  readonly #raw: IncomingMessage
  readonly #signal: AbortSignal
  readonly #sink: (chunk: Buffer) => void
  readonly #limits: ReadLimits
  readonly #usage: RequestUsage
  #startedAtMs = 0
  #lastChunkAtMs = 0
  #window = { startedAtMs: 0, startBytes: 0, pausedMs: 0 }
  #timer: NodeJS.Timeout | undefined
  /** Removes the listeners; undefined before there are any. */
  #unsubscribe: (() => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #ended = false
  /** When the reader was paused; undefined while it reads. */
  #pausedAtMs: number | undefined

  constructor ({ raw, signal, bodyLimits, usage }: ReaderContext, sink: (chunk: Buffer) => void) {
    this.#raw = raw
    this.#signal = signal
    this.#sink = sink
    this.#limits = bodyLimits
    this.#usage = usage
  }

  /**
   * Resolves when the whole body was read. Sends `100 Continue` to a caller that expects it.
   * @param response the response to the same request
   * @throws {Problem} `request_timeout`, `too_many_requests`, the reason of the signal, or what the sink throws
   */
  async read (response: ServerResponse): Promise<void> {
    this.#signal.throwIfAborted()
    if (isFullyBuffered(this.#raw)) return this.#readBuffered()
    this.#usage.startBody()
    // RFC 9110 §10.1.1: the head is valid, so the body is wanted.
    if (this.#raw.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#reject = reject
    this.#start(resolve)
    return promise
  }

  /** Reads synchronously, without listeners and timers, because there is nothing to wait for. */
  #readBuffered (): void {
    const chunk: unknown = this.#raw.read()
    this.#ended = true
    // Emits `end`, after which Node regards the request as read.
    this.#raw.resume()
    if (!Buffer.isBuffer(chunk)) return
    this.bytes = chunk.length
    this.#sink(chunk)
  }

  #start (resolve: () => void): void {
    const raw = this.#raw
    const onData = (chunk: Buffer) => this.#write(chunk)
    const onEnd = () => {
      this.stop()
      resolve()
    }
    const onAbort = () => this.#fail(this.#signal.reason)
    this.#startedAtMs = this.#lastChunkAtMs = performance.now()
    this.#startWindow(this.#startedAtMs)
    this.#checkTimeouts()
    raw.on('data', onData).on('end', onEnd)
    this.#signal.addEventListener('abort', onAbort)
    this.#unsubscribe = () => {
      raw.off('data', onData).off('end', onEnd).pause()
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  pause (): void {
    if (this.#ended) return
    this.#pausedAtMs ??= performance.now()
    this.#raw.pause()
  }

  resume (): void {
    if (this.#pausedAtMs === undefined || this.#ended) return
    this.#lastChunkAtMs = performance.now()
    this.#window.pausedMs += this.#lastChunkAtMs - this.#pausedAtMs
    this.#pausedAtMs = undefined
    this.#raw.resume()
  }

  /** Passes nothing more to the sink. The promise that `read` returned stays pending. */
  stop (): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#usage.release('bodies')
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

  /** Serves all limits with one timer, which is set again if none has passed. */
  #checkTimeouts (): void {
    const { idleTimeoutMs, timeoutMs } = this.#limits
    const nowMs = performance.now()
    // While the reader is paused, the caller cannot send, so it is not idle.
    const idleLeftMs = this.#pausedAtMs === undefined ? this.#lastChunkAtMs + idleTimeoutMs - nowMs : idleTimeoutMs
    const leftMs = Math.min(idleLeftMs, this.#startedAtMs + timeoutMs - nowMs, this.#checkRate(nowMs))
    if (leftMs <= 0) this.#fail(timeoutProblem())
    else this.#timer = setTimeout(() => this.#checkTimeouts(), Math.ceil(leftMs))
  }

  /** Returns the time that is left of the current window, or 0 if it ended and the body arrived too slowly in it. */
  #checkRate (nowMs: number): number {
    const { minBytesPerSecond, rateWindowMs } = this.#limits
    const { startedAtMs, startBytes, pausedMs } = this.#window
    const currentPauseMs = this.#pausedAtMs === undefined ? 0 : nowMs - this.#pausedAtMs
    const waitedMs = nowMs - startedAtMs - pausedMs - currentPauseMs
    if (waitedMs < rateWindowMs) return rateWindowMs - waitedMs
    if ((this.bytes - startBytes) * 1000 < minBytesPerSecond * rateWindowMs) return 0
    this.#startWindow(nowMs)
    return rateWindowMs
  }

  #startWindow (nowMs: number): void {
    this.#window = { startedAtMs: nowMs, startBytes: this.bytes, pausedMs: 0 }
    if (this.#pausedAtMs !== undefined) this.#pausedAtMs = nowMs
  }

  #fail (error: unknown): void {
    this.stop()
    this.#reject?.(error)
  }
}

/**
 * Returns whether the whole body has arrived. A small body usually arrives with its head, and Node buffers no more of
 * it than the stream's high-water mark. A caller that sent `Expect` is excluded: Node closes the connection if the
 * response is sent without a `100 Continue`.
 */
function isFullyBuffered ({ complete, readableLength, headers }: IncomingMessage): boolean {
  return headers.expect === undefined && (complete || readableLength === Number(headers['content-length']))
}

/** Closes the connection, because the rest of the body would be parsed as the next request. */
const timeoutProblem = () =>
  new Problem('request_timeout', 'The body did not arrive in time.', { headers: { connection: 'close' } })
