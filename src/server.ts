/** The HTTP server: what Fastify and Node are told, and what becomes of requests that they can't read. */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Lifecycle } from './lifecycle.ts'
import { limits } from './limits.ts'
import type { Unread } from './observe/ended.ts'
import { readTraceparent } from './observe/trace-context.ts'
import type { Traces } from './observe/traces.ts'
import { refuseEarly, refuseUnparsed } from './refusals.ts'
import { requestId } from './request-id.ts'

export interface ServerOptions {
  log: FastifyBaseLogger
  trustedProxies: readonly string[]
  lifecycle: Lifecycle
  traces: Traces | undefined
  /** Told of each request that could not be read. */
  unreadObservers: ReadonlyArray<{ noteUnread (unread: Unread): void }>
}

export function createServer ({ log, trustedProxies, lifecycle, traces, unreadObservers }: ServerOptions): FastifyInstance {
  const note = (unread: Unread) => { for (const observer of unreadObservers) observer.noteUnread(unread) }
  const refuse = (error: Error, socket: Duplex) => {
    const unread = refuseUnparsed(log, error, socket, lifecycle.readingFrom(socket))
    if (unread !== undefined) note(unread)
  }
  const fastify = Fastify({
    loggerInstance: log,
    // A request has one line, which the access log writes.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    requestIdHeader: false,
    genReqId: requestId,
    childLoggerFactory: (parent, bindings, options, raw) => {
      const traceId = traces?.begin(raw) ?? readTraceparent(raw.headers)?.traceId
      return parent.child(traceId === undefined ? bindings : { ...bindings, traceId }, options)
    },
    return503OnClosing: false,
    // Addresses, never a count of hops (GHSA-3m5p-2c4r-xxw2).
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Bodies have limits of their own, which know the pauses that are not the caller's.
    requestTimeout: 0,
    http: { headersTimeout: limits.headersTimeoutMs, maxHeaderSize: limits.headersMaxBytes, requireHostHeader: false, connectionsCheckingInterval: limits.headersCheckMs },
    clientErrorHandler: refuse,
    schemaController: { compilersFactory: { buildValidator: () => noValidator, buildSerializer: () => () => JSON.stringify } },
    frameworkErrors: (error, request, reply) => note(refuseEarly(error, request, reply)),
  })
  answerExpectations(fastify.server)
  fastify.server.maxConnections = limits.connectionsMax
  // Requests in a pipeline each listen for the end of the same connection.
  fastify.server.on('connection', socket => socket.setMaxListeners(0))
  fastify.server.on('connect', (_request, socket) => refuse(new Error('CONNECT'), socket))
  return fastify
}

/** Requests are judged by the mirror; Fastify's own way, which is not to be taken by mistake, would load a second validator at each start. */
function noValidator (): never {
  throw new Error('a route has a schema of what it takes, and nobody judges by it')
}

/** Node would say `100 Continue` before anybody has judged the request; the reader of the body says it when the body is wanted. */
function answerExpectations (server: Server): void {
  // RFC 9110 §10.1.1: what is not known may be ignored, and Node's own 417 would be an answer without a word.
  for (const event of ['checkContinue', 'checkExpectation']) server.on(event, (request, response) => server.emit('request', request, response))
}
