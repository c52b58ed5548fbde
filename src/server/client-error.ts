/**
 * Requests that can't be read, or not in time: most have no reply to use, so that they are answered on the socket itself, and the
 * connection ends. It knows no route and no caller.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { limits } from '../config/limits.ts'
import { isDiscardingBody } from './lingering-close.ts'
import type { UnparsedRequest } from '../telemetry/request-end.ts'
import { Problem, problemBody, problemMediaType } from './problem.ts'
import { abortRequest, sendProblem } from './error-handler.ts'
import { getRequestId } from './request-id.ts'

/** Errors that Fastify meets before any hook runs: URLs that can't be decoded (400), parameters that are too long (414). Returns what was told. */
export function handleFrameworkError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): UnparsedRequest {
  const status = error.statusCode === 414 ? 414 : 400
  const problem = new Problem('bad_request', 'The URL cannot be read.', { status })
  const { method, id } = request
  request.log.info({ method, status, code: problem.code }, 'request')
  sendProblem(problem, request, reply)
  return { method, status, code: problem.code, requestId: id }
}

/** Connections that were told something, and have a moment to read it: what else comes on them is no news. */
const closingSockets = new WeakSet<Duplex>()

/**
 * A request that is not HTTP, or not in time: there is no reply to use, so the answer is written to the socket.
 * @param reply that of a request whose body is being read from the connection: then it is that request's own answer
 * @returns what was told, if it is not told of elsewhere
 */
export function handleClientError (log: FastifyBaseLogger, error: Error & { code?: string }, socket: Duplex, reply: FastifyReply | undefined): UnparsedRequest | undefined {
  if (closingSockets.has(socket)) return undefined
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return undefined
  }
  closingSockets.add(socket)
  const problem = clientErrorProblem(error.code)
  // Who ends in the middle has left, or waits for an answer all the same; a request that is under way tells of it as of a caller who left.
  const isUnexpectedEnd = error.code === 'HPE_INVALID_EOF_STATE'
  if (reply !== undefined && !isUnexpectedEnd) replyAndClose(problem, reply, socket)
  else if (isDiscardingBody(socket) || reply?.sent === true) closeGracefully(socket)
  else return writeRawResponse(log, problem, socket, { id: reply?.request.id ?? getRequestId({ headers: {} }), shouldLog: !isUnexpectedEnd })
  return undefined
}

/** The parser is of no more use, so the connection ends with the answer, whoever gives it. */
function replyAndClose (problem: Problem, reply: FastifyReply, socket: Duplex): void {
  reply.raw.once('close', () => closeGracefully(socket))
  // Once it was answered it has no `close` of its own, for which whoever reads it waits.
  socket.once('close', () => reply.request.raw.destroy())
  if (reply.sent) return
  reply.header('connection', 'close')
  abortRequest(problem, reply)
}

function writeRawResponse (log: FastifyBaseLogger, problem: Problem, socket: Duplex, { id, shouldLog }: { id: string, shouldLog: boolean }): UnparsedRequest | undefined {
  const { status, code } = problem
  if (shouldLog) log.info({ requestId: id, status, code }, 'request')
  const body = problemBody(problem, id)
  closeGracefully(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${problemMediaType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
    `cache-control: no-store\r\nx-request-id: ${id}\r\nconnection: close\r\n\r\n${body}`)
  return shouldLog ? { method: 'none', status, code, requestId: id } : undefined
}

/** Whoever does not close its side keeps a connection that nobody reads any more. */
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
