/**
 * The connections to Procore's two hosts, owned here so that nothing about them is left to defaults:
 * certificates are verified, redirects are not followed, HTTP/2 is off, idle connections are closed by us first.
 */
import { Pool } from 'undici'
import { limits } from '../config.ts'

/** A pool for one origin. Answers are not timed here: an exchange keeps its own limits. */
export function openPool (origin: string, connections: number): Pool {
  return new Pool(origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: limits.connectTimeoutMs, rejectUnauthorized: true },
    // A POST on a connection that the other side has just closed is lost and can't be repeated, so ours must be the shorter life.
    keepAliveTimeout: limits.upstreamKeepAliveMs,
    keepAliveMaxTimeout: limits.upstreamKeepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: limits.headersMaxBytes,
    strictContentLength: true,
  })
}
