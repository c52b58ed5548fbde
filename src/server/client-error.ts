/**
 * Answers requests that cannot be parsed or do not arrive in time. Usually no Fastify reply exists, so the response is
 * written to the socket. The connection then closes.
 */
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { limits } from '../config/limits.ts'
import { findClosingProblem, markClosing } from './connection-close.ts'
import { isDiscardingBody } from './lingering-close.ts'
import type { InFlightRequest, InFlightRequests } from './in-flight.ts'
import type { UnparsedRequest } from '../telemetry/request-record.ts'
import { Problem, problemBody, problemMediaType } from './problem.ts'
import { sendProblem } from './error-handler.ts'
import { invalidEncodingDetail } from './request-guards.ts'
import { getRequestId } from './request-id.ts'

/** An import of `node:http` would also load Node's own copy of undici, for `WebSocket`. */
const { STATUS_CODES } = process.getBuiltinModule('node:http')

/**
 * Answers errors that Fastify finds before any hook runs: a URL that cannot be decoded (400), a parameter that is too
 * long (414). Returns the request for metrics.
 */
export function handleFrameworkError (
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply
): UnparsedRequest {
  const status = error.statusCode === 414 ? 414 : 400
  const detail = status === 414 ? 'A segment of the path is too long.' : invalidEncodingDetail
  const problem = new Problem('bad_request', detail, { status, headers: { connection: 'close' } })
  const { method, id } = request
  // Fastify creates such a request without the decorators.
  request.inFlight = null
  request.log.info({ requestId: id, method, status, code: problem.code }, 'request')
  sendProblem(problem, request, reply)
  return { method, status, code: problem.code, requestId: id }
}

/** An error of Node's parser or of a connection. */
export interface ClientError extends Error {
  code?: string
  /** The bytes that were read last, in a buffer. Fastify declares another type. */
  rawPacket?: unknown
}

interface ClientErrorOptions {
  log: FastifyBaseLogger
  /** Finds the last request that arrived on the connection. */
  inFlight: InFlightRequests
  /** Headers of a response that no request was parsed for. */
  corsHeaders: Record<string, string>
  /** Called with the request for metrics, unless the request-end listeners already receive it. */
  notify: (unparsedRequest: UnparsedRequest) => void
}

/**
 * Answers bytes that are not valid HTTP and requests that time out, after the responses to all earlier requests on the
 * connection. Then the connection closes, because Node's parser cannot continue.
 */
export function handleClientError (
  error: ClientError, socket: Duplex, { log, inFlight, corsHeaders, notify }: ClientErrorOptions
): void {
  if (findClosingProblem(socket) !== undefined) return
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const problem = clientErrorProblem(error.code)
  markClosing(socket, problem)
  const reading = inFlight.findLast(socket)
  if (reading !== undefined && !reading.reply.request.raw.complete) {
    abortAndClose(problem, reading, socket)
    return
  }
  const isAnswered = isDiscardingBody(socket)
  const respond = () => {
    const pending = inFlight.findLast(socket)
    if (pending !== undefined) pending.reply.raw.once('close', respond)
    else if (isAnswered) closeGracefully(socket)
    // A response with `Connection: close` may have been the last one.
    else if (socket.writable) notify(writeRawResponse(log, problem, socket, corsHeaders))
  }
  respond()
}

/** The request whose body is being read answers with the problem. Then the connection closes. */
function abortAndClose (problem: Problem, request: InFlightRequest, socket: Duplex): void {
  const { reply } = request
  reply.raw.once('close', () => closeGracefully(socket))
  if (!reply.sent) request.abort(problem)
}

function writeRawResponse (
  log: FastifyBaseLogger, problem: Problem, socket: Duplex, corsHeaders: Record<string, string>
): UnparsedRequest {
  const { status, code } = problem
  const id = getRequestId({ headers: {} })
  log.info({ requestId: id, status, code }, 'request')
  const body = problemBody(problem, id)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    `x-request-id: ${id}`,
    'connection: close',
    ...Object.entries(corsHeaders).map(([name, value]) => `${name}: ${value}`),
  ]
  closeGracefully(socket, `${head.join('\r\n')}\r\n\r\n${body}`)
  return { method: 'none', status, code, requestId: id }
}

/** Ends our side of the connection, then destroys it if the caller does not end its side in time. */
function closeGracefully (socket: Duplex, payload = ''): void {
  socket.end(payload)
  const timer = setTimeout(() => socket.destroy(), limits.server.errorCloseDelayMs).unref()
  socket.once('close', () => clearTimeout(timer))
}

function clientErrorProblem (code: string | undefined): Problem {
  const headers = { connection: 'close' }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem('request_timeout', 'The request did not arrive in time.', { headers })
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = `The headers are larger than ${limits.server.headersMaxBytes} bytes.`
    return new Problem('bad_request', detail, { status: 431, headers })
  }
  return new Problem('bad_request', 'The request is not valid HTTP.', { headers })
}
