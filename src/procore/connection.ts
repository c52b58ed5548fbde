/**
 * The connections to Procore's two hosts, owned here so that nothing about them is left to defaults:
 * certificates are verified, redirects are not followed, HTTP/2 is off, idle connections are closed by us first.
 */
import type { Socket } from 'node:net'
import { Pool, buildConnector } from 'undici'
import { limits } from '../config.ts'

/** A pool for one origin. Answers are not timed here: an exchange keeps its own limits. */
export function openPool (origin: string, connections: number): Pool {
  const connect = buildConnector({ timeout: limits.connectTimeoutMs, rejectUnauthorized: true, allowH2: false })
  return new Pool(origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    connect: (options, callback) => connect(options, (...result) => {
      if (result[0] === null) holdWriteErrors(result[1])
      callback(...result)
    }),
    // A POST on a connection that the other side has just closed is lost and can't be repeated, so ours must be the shorter life.
    keepAliveTimeout: limits.upstreamKeepAliveMs,
    keepAliveMaxTimeout: limits.upstreamKeepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: limits.headersMaxBytes,
    strictContentLength: true,
  })
}

type WriteCallback = (error?: Error | null) => void

/**
 * A host that answers before the body is complete and then closes resets the connection: the next write fails, and would destroy
 * the socket before the answer that lies in its buffer is read. So an error in writing is told a moment later.
 */
function holdWriteErrors (socket: Socket): void {
  const late = (callback: WriteCallback): WriteCallback => error => {
    if (error === undefined || error === null) callback()
    else setTimeout(callback, limits.writeErrorHoldMs, error)
  }
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  socket._write = (chunk, encoding, callback) => write(chunk, encoding, late(callback))
  if (writev !== undefined) socket._writev = (chunks, callback) => writev(chunks, late(callback))
}
