/**
 * Creates the connections to other hosts with explicit settings: certificates are verified, redirects are not followed,
 * HTTP/2 is off, and this side closes idle connections first.
 */
import { Agent, EnvHttpProxyAgent, Pool, buildConnector, type Dispatcher } from 'undici'
import { limits } from '../config/limits.ts'
import type { Secret } from '../config/secret.ts'
import { delayWriteErrors } from './delay-write-errors.ts'
import { isInNetworkOf } from './no-proxy.ts'
import { createPublicConnector } from './public-addresses.ts'
import { RenewedDispatcher } from './renewed-dispatcher.ts'
import { skipInterimResponses } from './skip-interim-responses.ts'

/** Outgoing proxy for `https:` hosts (`HTTPS_PROXY`, `NO_PROXY`). */
export interface ProxyConfig {
  /** URL of the proxy, which may contain a password; empty: no proxy. */
  readonly url: Secret
  /** Hosts that bypass the proxy, as in `NO_PROXY`. */
  readonly noProxy: string
}

/** Current use of the connections to one origin. */
export interface PoolStats {
  /** Open and idle. */
  free: number
  busy: number
  /** Requests waiting for a connection. */
  queued: number
}

/** Limits of a pool. */
export interface PoolLimits {
  /** Further requests wait in the pool, and its user limits their number. */
  maxConnections: number
  /** Age at which connections take no further request and are closed, so that a DNS change is followed. */
  connectionLifetimeMs: number
}

/** Connections to one host. Closing the dispatcher closes them all. */
export interface UpstreamPool {
  readonly dispatcher: Dispatcher
  stats (): PoolStats
}

/**
 * Creates a pool of connections to one origin, which every request must name. The first connection is opened with the
 * first request. The pool has no response timeouts: each exchange has its own.
 */
export function createUpstreamPool (origin: string, poolLimits: PoolLimits, proxy: ProxyConfig): UpstreamPool {
  const { maxConnections, connectionLifetimeMs } = poolLimits
  // Shared by all pools, because it remembers the TLS sessions.
  const directConnector = createConnector()
  let pools: Pool[] = []
  const addPool = (url: string | URL, connector: buildConnector.connector) => {
    const pool = createPool(url, maxConnections, connector)
    pools = [...pools.filter(({ destroyed }) => !destroyed), pool]
    return pool
  }
  const isDirect = proxy.url.reveal() === '' || isInNetworkOf(proxy.noProxy, origin)
  const create = () => isDirect
    ? addPool(origin, directConnector)
    : createProxyAgent(proxy, directConnector, addPool)
  return { dispatcher: new RenewedDispatcher(create, connectionLifetimeMs), stats: () => sumStats(pools) }
}

/** Which hosts a file dispatcher connects to, beside those with public addresses. */
export interface FileDispatcherOptions {
  /** Its addresses are not checked, because the operator configured it. */
  trustedOrigin: string
  allowLoopback: boolean
  poolLimits: PoolLimits
  originsMax: number
}

/**
 * Creates connections to any number of origins, for URLs that another system chose. Addresses are checked when a
 * connection is opened. They cannot be checked for an origin that is reached through the proxy, which resolves names.
 */
export function createFileDispatcher (
  { trustedOrigin, allowLoopback, poolLimits, originsMax }: FileDispatcherOptions, proxy: ProxyConfig
): Dispatcher {
  const trustedConnector = createConnector()
  const publicConnector = createPublicConnector(allowLoopback)
  const connector: buildConnector.connector = (options, callback) => {
    const isTrusted = `${options.protocol}//${options.host ?? ''}` === trustedOrigin
    return isTrusted ? trustedConnector(options, callback) : publicConnector(options, callback)
  }
  const { maxConnections, connectionLifetimeMs } = poolLimits
  const addPool = (url: string | URL, connect: buildConnector.connector) => createPool(url, maxConnections, connect)
  // undici matches no networks, so an API host in one of them is added.
  const { host } = new URL(trustedOrigin)
  const noProxy = isInNetworkOf(proxy.noProxy, trustedOrigin) ? `${proxy.noProxy},${host}` : proxy.noProxy
  const create = () => proxy.url.reveal() === ''
    ? new Agent({ factory: origin => addPool(origin, connector), maxOrigins: originsMax })
    : createProxyAgent({ ...proxy, noProxy }, connector, addPool)
  return new RenewedDispatcher(create, connectionLifetimeMs)
}

function createConnector (): buildConnector.connector {
  return buildConnector({ timeout: limits.upstream.connectTimeoutMs, rejectUnauthorized: true, allowH2: false })
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

function createProxyAgent (
  proxy: ProxyConfig,
  directConnector: buildConnector.connector,
  addPool: (url: string | URL, connector: buildConnector.connector) => Pool
): Dispatcher {
  return new EnvHttpProxyAgent({
    httpsProxy: proxy.url.reveal(),
    // `http:` hosts are on this machine or in a network that the operator trusts, so they are reached directly.
    httpProxy: '',
    noProxy: proxy.noProxy,
    connectTimeout: limits.upstream.connectTimeoutMs,
    requestTls: { rejectUnauthorized: true },
    factory: (url, { connect }: Pool.Options) => {
      return addPool(url, typeof connect === 'function' ? connect : directConnector)
    },
  })
}

function createPool (
  origin: string | URL,
  maxConnections: number,
  connector: buildConnector.connector
): Pool {
  return new Pool(origin, {
    connections: maxConnections,
    pipelining: 1,
    allowH2: false,
    connect: (options, callback) => connector(options, (...result) => {
      if (result[0] === null) {
        delayWriteErrors(result[1])
        skipInterimResponses(result[1])
      }
      callback(...result)
    }),
    // A POST on a connection that the server has just closed is lost and cannot be repeated, so this side must close
    // first.
    keepAliveTimeout: limits.upstream.keepAliveMs,
    keepAliveMaxTimeout: limits.upstream.keepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: limits.server.headersMaxBytes,
    strictContentLength: true,
  })
}
