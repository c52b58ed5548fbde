/**
 * What is done with the rest of a body that was answered before its end: it is read and thrown away, within a cap in bytes and time.
 * Closing at once would reset the connection, and the reset would reach the caller before the answer (RFC 9112 §9.6).
 */
import type { IncomingMessage } from 'node:http'
import { limits } from './config.ts'

export function linger (raw: IncomingMessage): void {
  if (raw.complete || raw.destroyed) return
  const timer = setTimeout(() => raw.socket.destroy(), limits.lingerTimeoutMs)
  let bytes = 0
  raw.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limits.lingerMaxBytes) raw.socket.destroy()
  })
  raw.once('close', () => clearTimeout(timer))
  raw.resume()
}
