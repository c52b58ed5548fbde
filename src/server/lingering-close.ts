/**
 * What is done with the rest of a body that was answered before its end: it is read and thrown away, within a cap in bytes and time.
 * Closing at once would reset the connection, and the reset would reach the caller before the answer (RFC 9112 §9.6). It does
 * not know why it was answered.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { limits } from '../config/limits.ts'

const discardedRequests = new WeakSet<IncomingMessage>()
const discardingSockets = new WeakSet<Duplex>()

/** Whether the rest of a body that was answered is being read from this connection. */
export function isDiscardingBody (socket: Duplex): boolean {
  return discardingSockets.has(socket)
}

/** Every answer has the rest of its request's body read. */
export function registerLingeringClose (app: FastifyInstance): void {
  app.addHook('onSend', ({ raw }, _reply, payload, done) => {
    discardBody(raw)
    done(null, payload)
  })
}

/**
 * Reads what still comes of a body and throws it away; the connection is destroyed when that is more than `limits.server.lingerMaxBytes` or takes longer
 * than `limits.server.lingerTimeoutMs`. To be called before the answer is sent; again, or for a body that has come, it does nothing.
 */
export function discardBody (raw: IncomingMessage): void {
  if (raw.complete || raw.destroyed || discardedRequests.has(raw)) return
  discardedRequests.add(raw)
  const { socket } = raw
  discardingSockets.add(socket)
  let bytes = 0
  let isClosing = false
  const timer = setTimeout(() => socket.destroy(), limits.server.lingerTimeoutMs)
  // Node calls this after an answer that ends the connection; only our half of it may end while the caller still sends.
  socket.destroySoon = () => {
    isClosing = true
    socket.end()
  }
  const finish = () => {
    clearTimeout(timer)
    discardingSockets.delete(socket)
    // The socket may outlive this request by many others.
    socket.off('close', finish)
    Reflect.deleteProperty(socket, 'destroySoon')
    if (isClosing) socket.destroySoon()
  }
  raw.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limits.server.lingerMaxBytes) socket.destroy()
  })
  // A request whose answer is out is forgotten by the server: when its socket closes, it has no `close` of its own.
  raw.once('end', finish)
  socket.once('close', finish)
  raw.resume()
}
