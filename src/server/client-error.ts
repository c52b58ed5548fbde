/**
 * Answers requests that cannot be parsed or do not arrive in time. Usually no Fastify reply exists, so the response is
 * written to the socket. The connection then closes.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { limits } from '../config/limits.ts'
import { isDiscardingBody } from './lingering-close.ts'
import type { InFlightRequest } from './in-flight.ts'
import type { UnparsedRequest } from '../telemetry/request-record.ts'
import { Problem, problemBody, problemMediaType } from './problem.ts'
import { sendProblem } from './error-handler.ts'
import { getRequestId } from './request-id.ts'

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
  const problem = new Problem('bad_request', 'The URL is not valid.', { status })
  const { method, id } = request
  // Fastify creates such a request without the decorators.
  request.inFlight = null
  request.log.info({ requestId: id, method, status, code: problem.code }, 'request')
  sendProblem(problem, request, reply)
  return { method, status, code: problem.code, requestId: id }
}

/** Sockets that are closing after their last response. Further parse errors on them are ignored. */
const closingSockets = new WeakSet<Duplex>()

/**
 * Answers bytes that are not valid HTTP and requests that time out. Without a reply, writes the response to the socket.
 * @param reading the request whose body is being read from this socket; it is then aborted with the error
 * @returns the request for metrics, unless the request-end listeners already receive it
 */
export function handleClientError (
  log: FastifyBaseLogger,
  error: Error & { code?: string },
  socket: Duplex,
  reading: InFlightRequest | undefined
): UnparsedRequest | undefined {
  if (closingSockets.has(socket)) return undefined
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return undefined
  }
  closingSockets.add(socket)
  const problem = clientErrorProblem(error.code)
  // A caller that half-closes the connection in the middle of a request has left, or still reads the response. Such a
  // request is logged when it ends, as client closed request (499), and not here.
  const isUnexpectedEnd = error.code === 'HPE_INVALID_EOF_STATE'
  if (reading !== undefined && !isUnexpectedEnd) {
    abortAndClose(problem, reading, socket)
    return undefined
  }
  if (isDiscardingBody(socket) || reading?.reply.sent === true) {
    closeGracefully(socket)
    return undefined
  }
  const id = reading?.record.requestId ?? getRequestId({ headers: {} })
  return writeRawResponse(log, problem, socket, { id, shouldLog: !isUnexpectedEnd })
}

/** The request answers with the problem. Then the connection closes, because Node's parser cannot continue. */
function abortAndClose (problem: Problem, request: InFlightRequest, socket: Duplex): void {
  const { reply } = request
  reply.raw.once('close', () => closeGracefully(socket))
  if (reply.sent) return
  reply.header('connection', 'close')
  request.abort(problem)
}

function writeRawResponse (
  log: FastifyBaseLogger,
  problem: Problem,
  socket: Duplex,
  { id, shouldLog }: { id: string, shouldLog: boolean }
): UnparsedRequest | undefined {
  const { status, code } = problem
  if (shouldLog) log.info({ requestId: id, status, code }, 'request')
  const body = problemBody(problem, id)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    `x-request-id: ${id}`,
    'connection: close',
  ]
  closeGracefully(socket, `${head.join('\r\n')}\r\n\r\n${body}`)
  return shouldLog ? { method: 'none', status, code, requestId: id } : undefined
}

/** Ends our side of the connection, then destroys it if the caller does not end its side in time. */
function closeGracefully (socket: Duplex, payload = ''): void {
  socket.end(payload)
  const timer = setTimeout(() => socket.destroy(), limits.server.errorCloseDelayMs).unref()
  socket.once('close', () => clearTimeout(timer))
}

function clientErrorProblem (code: string | undefined): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('request_timeout', 'The request did not arrive in time.')
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('bad_request', 'The headers are too large.', { status: 431 })
  return new Problem('bad_request', 'The request is not valid HTTP.')
}
