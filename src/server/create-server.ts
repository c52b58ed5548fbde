/** Configures Fastify and Node's HTTP server, and reports requests that they cannot parse. */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Config } from '../config/index.ts'
import type { InFlightRequests } from './in-flight.ts'
import { limits } from '../config/limits.ts'
import { getLongestWaitMs } from '../config/longest-wait.ts'
import type { UnparsedRequest } from '../telemetry/request-record.ts'
import { normalizeForwardedFor } from './forwarded-for.ts'
import { getRequestId } from './request-id.ts'
import { handleFrameworkError, handleClientError, type ClientError } from './client-error.ts'
import { createCorsHeaders, findOrigin, type CorsHeaders } from './cors-headers.ts'

declare module 'fastify' {
  interface FastifyInstance {
    corsHeaders: CorsHeaders
  }
}

/** The access log writes the only line of a request, also if its response was not read to the end. */
class SilentLogController extends LogController {
  override streamError (): void {}
}

export interface ServerDependencies {
  log: FastifyBaseLogger
  /** Finds the last request that arrived on a connection. */
  inFlight: InFlightRequests
  /** Notified of each request that could not be parsed. */
  parseErrorObservers: ReadonlyArray<{ recordParseError (unparsedRequest: UnparsedRequest): void }>
}

/**
 * Creates a Fastify instance without hooks and routes that does not listen yet. Timeouts, sizes and counts come from
 * `limits`.
 */
export function createServer (
  { auth, keepAliveTimeoutMs, procore }: Pick<Config, 'auth' | 'keepAliveTimeoutMs' | 'procore'>,
  { log, inFlight, parseErrorObservers }: ServerDependencies
): FastifyInstance {
  const { corsOrigins, trustedProxies } = auth
  const notifyObservers = (unparsedRequest: UnparsedRequest) => {
    for (const observer of parseErrorObservers) observer.recordParseError(unparsedRequest)
  }
  const onClientError = (error: ClientError, socket: Duplex) => {
    const corsHeaders = fastify.corsHeaders(findOrigin(error.rawPacket, corsOrigins))
    handleClientError(error, socket, { log, inFlight, corsHeaders, notify: notifyObservers })
  }
  const fastify = Fastify({
    loggerInstance: log,
    logController: new SilentLogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: getRequestId,
    // A logger for each request would cost more than the two lines that may need it: they name the request themselves.
    childLoggerFactory: logger => logger,
    return503OnClosing: false,
    // Proxies are trusted by address, never by number of hops (GHSA-3m5p-2c4r-xxw2).
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    keepAliveTimeout: keepAliveTimeoutMs,
    // The body readers have their own timeouts, which exclude pauses that the caller did not cause.
    requestTimeout: 0,
    http: {
      headersTimeout: limits.server.headersTimeoutMs,
      maxHeaderSize: limits.server.headersMaxBytes,
      requireHostHeader: false,
      connectionsCheckingInterval: limits.server.headersCheckIntervalMs,
    },
    clientErrorHandler: onClientError,
    schemaController: {
      compilersFactory: { buildValidator: () => rejectRouteSchema, buildSerializer: () => () => JSON.stringify },
    },
    frameworkErrors: (error, request, reply) => notifyObservers(handleFrameworkError(error, request, reply)),
  })
  if (trustedProxies.length > 0) {
    // Before any hook reads `request.ip`, which Fastify derives from the header each time.
    fastify.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
      const forwardedFor = headers['x-forwarded-for']
      if (typeof forwardedFor === 'string') headers['x-forwarded-for'] = normalizeForwardedFor(forwardedFor)
      done()
    })
  }
  fastify.decorate('corsHeaders', createCorsHeaders(corsOrigins))
  handleExpect(fastify.server)
  // RFC 9112 §9.6: a caller may close its side of the connection after a complete request, and reads the response. One
  // that has left is known by the reset with which its system answers the first bytes of the response.
  Object.assign(fastify.server, { httpAllowHalfOpen: true })
  fastify.server.maxConnections = limits.server.connectionsMax
  // Inactivity of a socket: the caller also has some time to read the response.
  fastify.server.setTimeout(getLongestWaitMs(procore) + limits.server.responseReadTimeoutMs)
  const drainListeners = new WeakMap<Duplex, readonly Function[]>()
  fastify.server.on('connection', socket => {
    // Each pipelined request adds listeners to the same socket.
    socket.setMaxListeners(0)
    drainListeners.set(socket, socket.listeners('drain'))
  })
  fastify.server.on('connect', (_request, socket) => {
    // Node has removed its own listeners from this socket. The responses to earlier requests still wait for `drain`.
    for (const listener of drainListeners.get(socket) ?? []) {
      socket.on('drain', () => { Reflect.apply(listener, socket, []) })
    }
    socket.on('error', () => {}).on('close', () => inFlight.endConnection(socket)).resume()
    onClientError(new Error('CONNECT'), socket)
  })
  return fastify
}

/**
 * Rejects routes that have a request schema. The proxy validates requests itself; Fastify's validator would not be
 * used, and loading it would make every start about 50 ms longer.
 */
function rejectRouteSchema (): never {
  throw new Error('a route declares a request schema, but Fastify does not validate requests in this service')
}

/**
 * Keeps Node from sending `100 Continue` before the request is authorized. The body reader sends it when it needs the
 * body.
 */
function handleExpect (server: Server): void {
  // RFC 9110 §10.1.1: unknown expectations may be ignored. Node's own 417 response would have no problem body.
  for (const event of ['checkContinue', 'checkExpectation']) {
    server.on(event, (request, response) => server.emit('request', request, response))
  }
}
