/** The HTTP server: what Fastify and Node are told, and who is told of requests that they can't read. It knows no route and no caller. */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Config } from '../config/index.ts'
import type { InFlightRequests } from './in-flight.ts'
import { limits } from '../config/limits.ts'
import type { UnparsedRequest } from '../telemetry/request-end.ts'
import { parseTraceparent } from '../telemetry/trace-context.ts'
import type { RequestTracer } from '../telemetry/tracing.ts'
import { getRequestId } from './request-id.ts'
import { handleFrameworkError, handleClientError } from './client-error.ts'

/** What the server works with. */
export interface ServerDependencies {
  log: FastifyBaseLogger
  /** Knows whose body is being read from a connection. */
  inFlight: InFlightRequests
  /** Nothing where nobody traces. */
  tracing: RequestTracer | undefined
  /** Told of each request that could not be read. */
  parseErrorObservers: ReadonlyArray<{ recordParseError (unread: UnparsedRequest): void }>
}

/** A Fastify without hooks and routes, which does not listen yet; time-outs, sizes and counts are those of `limits`. */
export function createServer ({ auth: { trustedProxies }, procore }: Pick<Config, 'auth' | 'procore'>, { log, inFlight, tracing, parseErrorObservers }: ServerDependencies): FastifyInstance {
  const notifyObservers = (unparsedRequest: UnparsedRequest) => { for (const observer of parseErrorObservers) observer.recordParseError(unparsedRequest) }
  const onClientError = (error: Error, socket: Duplex) => {
    const unparsedRequest = handleClientError(log, error, socket, inFlight.findReplyBySocket(socket))
    if (unparsedRequest !== undefined) notifyObservers(unparsedRequest)
  }
  const fastify = Fastify({
    loggerInstance: log,
    // A request has one line, which the access log writes.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    requestIdHeader: false,
    genReqId: getRequestId,
    childLoggerFactory: (parent, bindings, options, raw) => {
      const traceId = tracing?.startSpan(raw) ?? parseTraceparent(raw.headers)?.traceId
      return parent.child(traceId === undefined ? bindings : { ...bindings, traceId }, options)
    },
    return503OnClosing: false,
    // Addresses, never a count of hops (GHSA-3m5p-2c4r-xxw2).
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    keepAliveTimeout: limits.server.keepAliveTimeoutMs,
    // Bodies have limits of their own, which know the pauses that are not the caller's.
    requestTimeout: 0,
    http: { headersTimeout: limits.server.headersTimeoutMs, maxHeaderSize: limits.server.headersMaxBytes, requireHostHeader: false, connectionsCheckingInterval: limits.server.headersCheckIntervalMs },
    clientErrorHandler: onClientError,
    schemaController: { compilersFactory: { buildValidator: () => rejectRouteSchema, buildSerializer: () => () => JSON.stringify } },
    frameworkErrors: (error, request, reply) => notifyObservers(handleFrameworkError(error, request, reply)),
  })
  handleExpect(fastify.server)
  fastify.server.maxConnections = limits.server.connectionsMax
  fastify.server.setTimeout(socketTimeoutMs(procore))
  // Requests in a pipeline each listen for the end of the same connection.
  fastify.server.on('connection', socket => socket.setMaxListeners(0))
  fastify.server.on('connect', (_request, socket) => onClientError(new Error('CONNECT'), socket))
  return fastify
}

/** How long nothing may go by on a connection: longer than a request waits for anything, and then some time for the caller to read its answer. */
function socketTimeoutMs ({ timeoutMs, rateLimitMaxWaitMs, idleTimeoutMs }: Config['procore']): number {
  return 2 * timeoutMs + rateLimitMaxWaitMs + idleTimeoutMs + limits.lookup.timeoutMs + limits.server.responseReadTimeoutMs
}

/** Requests are judged by the mirror; Fastify's own way, which is not to be taken by mistake, would load a second validator at each start. */
function rejectRouteSchema (): never {
  throw new Error('a route has a schema of what it takes, and nobody judges by it')
}

/** Node would say `100 Continue` before anybody has judged the request; the reader of the body says it when the body is wanted. */
function handleExpect (server: Server): void {
  // RFC 9110 §10.1.1: what is not known may be ignored, and Node's own 417 would be an answer without a word.
  for (const event of ['checkContinue', 'checkExpectation']) server.on(event, (request, response) => server.emit('request', request, response))
}
