/**
 * Delays write errors of a socket, so that a response that has already arrived is read.
 *
 * A server that responds before the request body is complete and then closes resets the connection. The next write
 * fails with EPIPE or ECONNRESET, and Node destroys the socket before it has read the response in the receive buffer.
 * undici sees only the socket's `error` and `close` events, so that none of its options helps (as of undici 8; its
 * interceptors and `connect` options do not include one either). Replaces `_write` and `_writev`, which Node documents
 * for implementing streams, not for replacing them: test/http/delay-write-errors.test.ts shows if that stops working.
 */
import type { Socket } from 'node:net'
import { limits } from '../config/limits.ts'

type WriteCallback = (error?: Error | null) => void

/** Delays the write errors of the socket by `limits.upstream.writeErrorDelayMs`. */
export function delayWriteErrors (socket: Socket): void {
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  socket._write = (chunk, encoding, callback) => write(chunk, encoding, delayError(callback))
  if (writev !== undefined) socket._writev = (chunks, callback) => writev(chunks, delayError(callback))
}

function delayError (callback: WriteCallback): WriteCallback {
  return error => {
    if (error === undefined || error === null) callback()
    else setTimeout(callback, limits.upstream.writeErrorDelayMs, error)
  }
}
