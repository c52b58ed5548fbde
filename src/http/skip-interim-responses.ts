/**
 * Skips interim responses (RFC 9110 §15.2: a client must be able to parse 1xx responses, even if it does not expect
 * one).
 *
 * undici closes the connection at a `100 Continue` that it did not ask for, and has no option against it (as of
 * undici 8). Replaces `push`, which Node documents for implementing streams, not for replacing it:
 * test/http/skip-interim-responses.test.ts shows if that stops working.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { limits } from '../config/limits.ts'

/** Start of a status line (RFC 9112 §4) with a 1xx status, and one that completes a shorter text. */
const interimPattern = /^HTTP\/1\.\d (1\d\d)[ \r\n]$/
const interimExample = 'HTTP/1.1 100 '

/** Position of the first digit of the status, which is 1 in every interim response. */
const statusIndex = interimExample.indexOf('100')
const digitOne = 0x31

const emptyBuffer = Buffer.alloc(0)
const carriageReturn = 0x0d
const lineFeed = 0x0a

/** Filters of the sockets that undici sends requests on. */
const filters = new WeakMap<object, InterimResponseFilter>()

// undici publishes this message right before it writes the first byte of a request. Connections are not pipelined, so
// that the next byte that arrives is the first one of the response.
subscribe('undici:client:sendHeaders', message => {
  if (typeof message !== 'object' || message === null || !('socket' in message)) return
  const { socket } = message
  if (typeof socket === 'object' && socket !== null) filters.get(socket)?.onRequestStart()
})

/** Removes interim responses from what the socket receives. Two requests must not be in flight on it. */
export function skipInterimResponses (socket: Socket): void {
  const filter = new InterimResponseFilter()
  filters.set(socket, filter)
  const push = socket.push.bind(socket)
  socket.push = (chunk: unknown, encoding) => {
    try {
      const bytes = chunk === null ? filter.end() : Buffer.isBuffer(chunk) ? filter.filter(chunk) : undefined
      // A chunk without remaining bytes is not pushed, and the socket goes on reading.
      const hasRoom = bytes === undefined || bytes.length === 0 || push(bytes)
      return chunk === null ? push(null, encoding) : hasRoom
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined)
      return false
    }
  }
}

/** Looks at the start of each response only, because the body of a response may contain the same bytes. */
class InterimResponseFilter {
  /** Inside a head that is skipped; at the start of a head; or after the start of the final response. */
  #state: 'skip' | 'start' | 'relay' = 'relay'
  /** The start of a head, while it is too short to tell. */
  #held: Buffer = emptyBuffer
  #skippedBytes = 0
  #isEmptyLine = false

  onRequestStart (): void {
    this.#state = 'start'
    this.#held = emptyBuffer
    this.#skippedBytes = 0
  }

  /** Returns the bytes that do not belong to interim responses. */
  filter (chunk: Buffer): Buffer {
    let bytes = chunk
    while (this.#state !== 'relay' && bytes.length > 0) {
      bytes = this.#state === 'start' ? this.#readStart(bytes) : this.#skipHead(bytes)
    }
    return bytes
  }

  /** Returns the bytes of a response that ended early, for undici to report. */
  end (): Buffer {
    return this.#held
  }

  #readStart (chunk: Buffer): Buffer {
    if (this.#held.length === 0 && chunk.length > statusIndex && chunk[statusIndex] !== digitOne) {
      this.#state = 'relay'
      return chunk
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = emptyBuffer
    const text = bytes.toString('latin1', 0, interimExample.length)
    const status = interimPattern.exec(text + interimExample.slice(text.length))?.[1]
    if (status === undefined) {
      this.#state = 'relay'
      return bytes
    }
    if (text.length < interimExample.length) {
      this.#held = bytes
      return emptyBuffer
    }
    // No request asks for another protocol, so the server must not switch to one (RFC 9110 §15.2.2).
    if (status === '101') throw new Error('the server switched protocols, although the request did not ask for it')
    this.#state = 'skip'
    this.#isEmptyLine = false
    return bytes
  }

  /** Skips bytes up to the empty line that ends a head, and returns the rest. */
  #skipHead (bytes: Buffer): Buffer {
    for (const [index, byte] of bytes.entries()) {
      if (++this.#skippedBytes > limits.server.headersMaxBytes) throw new Error('the interim responses are too large')
      if (byte === lineFeed && this.#isEmptyLine) {
        this.#state = 'start'
        return bytes.subarray(index + 1)
      }
      if (byte !== carriageReturn) this.#isEmptyLine = byte === lineFeed
    }
    return emptyBuffer
  }
}
