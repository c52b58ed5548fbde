/**
 * Discards the rest of a request body that was answered before its end, within a limit in bytes and time. Closing at
 * once would reset the connection, and the reset could reach the caller before the response (RFC 9112 §9.6).
 */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import fp from 'fastify-plugin'
import { limits } from '../config/limits.ts'

const discardedRequests = new WeakSet<IncomingMessage>()
/** The answered requests whose bodies are being discarded, by connection. */
const discardedBySocket = new WeakMap<Duplex, IncomingMessage>()

/** Whether the rest of an answered request's body is still arriving on this socket. */
export function isDiscardingBody (socket: Duplex): boolean {
  // A request without a body is answered before Node regards it as complete.
  return discardedBySocket.get(socket)?.complete === false
}

/** Registers a hook that discards the rest of the request body with every response. */
export const lingeringClosePlugin = fp(async app => {
  app.addHook('onSend', ({ raw }, _reply, payload, done) => {
    if (!raw.complete) discardBody(raw)
    done(null, payload)
  })
})

/**
 * Reads and discards the rest of a body. Destroys the connection when the rest exceeds `limits.server.lingerMaxBytes`
 * or `limits.server.lingerTimeoutMs`. Must be called before the response is sent. Further calls, and calls for a
 * complete body, do nothing.
 */
export function discardBody (raw: IncomingMessage): void {
  if (raw.complete || raw.destroyed || discardedRequests.has(raw)) return
  discardedRequests.add(raw)
  const { socket } = raw
  discardedBySocket.set(socket, raw)
  let bytes = 0
  let isClosing = false
  const timer = setTimeout(() => socket.destroy(), limits.server.lingerTimeoutMs)
  // Node calls `destroySoon` after a response with `connection: close`. While the caller still sends, end only our
  // side.
  socket.destroySoon = () => {
    isClosing = true
    socket.end()
  }
  const finish = () => {
    clearTimeout(timer)
    discardedBySocket.delete(socket)
    // The socket may serve many more requests. V8 would store the properties of an object from which one was deleted in
    // a hash table, of 3 KB for a socket.
    socket.off('close', finish)
    socket.destroySoon = Socket.prototype.destroySoon
    if (isClosing) socket.destroySoon()
  }
  raw.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limits.server.lingerMaxBytes) socket.destroy()
  })
  // After the response is sent, Node emits no `close` on the request, so listen on the socket as well.
  raw.once('end', finish)
  socket.once('close', finish)
  raw.resume()
}
