/**
 * The connections to other hosts, owned here so that nothing about them is left to defaults:
 * certificates are verified, redirects are not followed, HTTP/2 is off, idle connections are closed by us first.
 * It knows neither tokens nor what is sent.
 */
import type { Socket } from 'node:net'
import { EnvHttpProxyAgent, Pool, buildConnector, type Dispatcher } from 'undici'
import { limits } from '../config/limits.ts'
import type { Secret } from '../config/secret.ts'

/** The proxy through which `https:` hosts are reached (`HTTPS_PROXY`, `NO_PROXY`). */
export interface ProxyConfig {
  /** Empty: none. It may hold a password. */
  readonly url: Secret
  /** Hosts that are reached without it, as in `NO_PROXY`. */
  readonly noProxy: string
}

/** How the connections to one origin are used at this moment. */
export interface PoolStats {
  /** Open and idle. */
  free: number
  busy: number
  /** Requests that wait for a connection. */
  queued: number
}

/** The connections to one host: what requests are given to, and how many there are. Closing the dispatcher closes them all. */
export interface UpstreamPool {
  readonly dispatcher: Dispatcher
  stats (): PoolStats
}

/**
 * Connections to one origin, which has to be named in every request; none is opened before the first one. Answers are not timed here: an
 * exchange keeps its own limits.
 * @param maxConnections how many at most; requests beyond them wait here, and it is for the caller to limit how many
 */
export function createUpstreamPool (origin: string, maxConnections: number, proxy: ProxyConfig): UpstreamPool {
  const directConnector = buildConnector({ timeout: limits.upstream.connectTimeoutMs, rejectUnauthorized: true, allowH2: false })
  const pools: Pool[] = []
  const addPool = (url: string | URL, connector: buildConnector.connector) => {
    const pool = createPool(url, maxConnections, connector)
    pools.push(pool)
    return pool
  }
  const dispatcher = proxy.url.reveal() === '' ? addPool(origin, directConnector) : createProxyAgent(proxy, directConnector, addPool)
  return { dispatcher, stats: () => sumStats(pools) }
}

function sumStats (pools: readonly Pool[]): PoolStats {
  const totals = { free: 0, busy: 0, queued: 0 }
  for (const { stats: { connected, running, queued } } of pools) {
    totals.free += Math.max(0, connected - running)
    totals.busy += running
    totals.queued += queued
  }
  return totals
}

function createProxyAgent (proxy: ProxyConfig, directConnector: buildConnector.connector, addPool: (url: string | URL, connector: buildConnector.connector) => Pool): Dispatcher {
  return new EnvHttpProxyAgent({
    httpsProxy: proxy.url.reveal(),
    // `http:` is for hosts of this machine, or of a network that the operator trusts.
    httpProxy: '',
    noProxy: proxy.noProxy,
    connectTimeout: limits.upstream.connectTimeoutMs,
    requestTls: { rejectUnauthorized: true },
    factory: (url, { connect }: Pool.Options) => addPool(url, typeof connect === 'function' ? connect : directConnector),
  })
}

function createPool (origin: string | URL, maxConnections: number, connector: buildConnector.connector): Pool {
  return new Pool(origin, {
    connections: maxConnections,
    pipelining: 1,
    allowH2: false,
    connect: (options, callback) => connector(options, (...result) => {
      if (result[0] === null) delayWriteErrors(result[1])
      callback(...result)
    }),
    // A POST on a connection that the other side has just closed is lost and can't be repeated, so ours must be the shorter life.
    keepAliveTimeout: limits.upstream.keepAliveMs,
    keepAliveMaxTimeout: limits.upstream.keepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: limits.server.headersMaxBytes,
    strictContentLength: true,
  })
}

type WriteCallback = (error?: Error | null) => void

/**
 * A host that answers before the body is complete and then closes resets the connection: the next write fails, and would destroy
 * the socket before the answer that lies in its buffer is read. So an error in writing is told a moment later.
 */
function delayWriteErrors (socket: Socket): void {
  const delayed = (callback: WriteCallback): WriteCallback => error => {
    if (error === undefined || error === null) callback()
    else setTimeout(callback, limits.upstream.writeErrorDelayMs, error)
  }
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  socket._write = (chunk, encoding, callback) => write(chunk, encoding, delayed(callback))
  if (writev !== undefined) socket._writev = (chunks, callback) => writev(chunks, delayed(callback))
}
