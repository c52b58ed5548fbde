/**
 * Where every failure becomes an answer: thrown Problems, errors of Fastify, requests that its parser could not read, and the
 * unexpected, which is logged in full and told as `internal` without a word of its own.
 */
import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { limits } from './limits.ts'
import { isLingering, linger } from './linger.ts'
import type { Unread } from './observe/ended.ts'
import type { Paths } from './paths.ts'
import { CallerGone, Problem, problemBody, problemMediaType } from './problem.ts'
import { requestId } from './request-id.ts'

export function addRefusals (app: FastifyInstance, paths: Paths): void {
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply))
  app.setNotFoundHandler(request => { throw paths.refusalOf(request.raw.url) })
  // Before its handler, Fastify would parse the body of a request that has no route, and find fault with that first.
  app.addHook('onRequest', (request, _reply, done) => done(request.is404 ? paths.refusalOf(request.raw.url) : undefined))
}

/** Errors that Fastify meets before any hook runs: URLs that can't be decoded, parameters that are too long. */
export function refuseEarly (error: FastifyError, request: FastifyRequest, reply: FastifyReply): Unread {
  const status = error.statusCode === 414 ? 414 : 400
  const problem = new Problem('bad_request', 'The URL cannot be read.', { status })
  const { method, id } = request
  request.log.info({ method, status, code: problem.code }, 'request')
  sendProblem(problem, request, reply)
  return { method, status, code: problem.code, requestId: id }
}

/** Headers of which Node takes the first, and another parser perhaps the last (RFC 9110 §5.3, RFC 9112 §3.2). */
const singletons = new Set(['host', 'authorization', 'content-type'])

const singletonLengths = new Set([...singletons].map(name => name.length))

function hasDoubles (rawHeaders: readonly string[]): boolean {
  const seen: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index] ?? ''
    if (!singletonLengths.has(header.length)) continue
    const name = header.toLowerCase()
    if (!singletons.has(name)) continue
    if (seen.includes(name)) return true
    seen.push(name)
  }
  return false
}

/** What Node's parser lets through although a gateway may read it in another way; nothing when there is no doubt. */
export function findDoubtful ({ rawHeaders, headers, url, httpVersion }: IncomingMessage): Problem | undefined {
  // RFC 9112 §3.2.
  if (httpVersion === '1.1' && headers.host === undefined) return new Problem('bad_request', 'The request has no Host.')
  if (rawHeaders.length > limits.headersMaxCount * 2) return new Problem('bad_request', 'There are too many headers.', { status: 431 })
  if (hasDoubles(rawHeaders) || (headers.host !== undefined && !/^[\w.:[\]-]*$/.test(headers.host))) return new Problem('bad_request', 'A header that may stand once is doubled or not valid.')
  const coding = headers['transfer-encoding']
  // RFC 9112 §6.1: whoever does not know a transfer coding can't tell what the body is.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return new Problem('bad_request', 'Only the transfer coding chunked is supported.')
  // RFC 9112 §3.2: a target has no fragment.
  return url?.includes('#') === true ? new Problem('bad_request', 'The URL cannot be read.') : undefined
}

/** Connections that were told something, and have a moment to read it: what else comes on them is no news. */
const leaving = new WeakSet<Duplex>()

/**
 * A request that is not HTTP, or not in time: there is no reply to use, so the answer is written to the socket.
 * @param reply that of a request whose body is being read from the connection: then it is that request's own answer
 * @returns what was told, if it is not told of elsewhere
 */
export function refuseUnparsed (log: FastifyBaseLogger, error: Error & { code?: string }, socket: Duplex, reply: FastifyReply | undefined): Unread | undefined {
  if (leaving.has(socket)) return undefined
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return undefined
  }
  leaving.add(socket)
  const problem = unparsedProblem(error.code)
  // Who ends in the middle has left, or waits for an answer all the same; a request that is under way tells of it as of a caller who left.
  const isEnd = error.code === 'HPE_INVALID_EOF_STATE'
  if (reply !== undefined && !isEnd) refuseRest(problem, reply, socket)
  else if (isLingering(socket) || reply?.sent === true) leave(socket)
  else return refuseRaw(log, problem, socket, { id: reply?.request.id ?? requestId({ headers: {} }), isNews: !isEnd })
  return undefined
}

/** The parser is of no more use, so the connection ends with the answer, whoever gives it. */
function refuseRest (problem: Problem, reply: FastifyReply, socket: Duplex): void {
  reply.raw.once('close', () => leave(socket))
  // Once it was answered it has no `close` of its own, for which whoever reads it waits.
  socket.once('close', () => reply.request.raw.destroy())
  if (reply.sent) return
  reply.header('connection', 'close')
  dismiss(problem, reply)
}

function refuseRaw (log: FastifyBaseLogger, problem: Problem, socket: Duplex, { id, isNews }: { id: string, isNews: boolean }): Unread | undefined {
  const { status, code } = problem
  if (isNews) log.info({ requestId: id, status, code }, 'request')
  const body = problemBody(problem, id)
  leave(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${problemMediaType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
    `cache-control: no-store\r\nx-request-id: ${id}\r\nconnection: close\r\n\r\n${body}`)
  return isNews ? { method: 'none', status, code, requestId: id } : undefined
}

/** Whoever does not close its side keeps a connection that nobody reads any more. */
function leave (socket: Duplex, lastWords = ''): void {
  socket.end(lastWords)
  const timer = setTimeout(() => socket.destroy(), limits.farewellMs).unref()
  socket.once('close', () => clearTimeout(timer))
}

function unparsedProblem (code: string | undefined): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('request_timeout', 'The request did not arrive in time.')
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('bad_request', 'The headers are too large.', { status: 431 })
  return new Problem('bad_request', 'The request is not valid HTTP.')
}

function refuse (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof CallerGone) {
    reply.hijack()
    reply.raw.destroy()
    return
  }
  sendProblem(asProblem(error, request), request, reply)
}

function asProblem (error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) {
    if (error.status >= 500 && error.cause !== undefined) request.log.warn({ err: error.cause, code: error.code }, error.message)
    return error
  }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (typeof status === 'number' && status >= 400 && status < 500) return new Problem('bad_request', 'The request cannot be served.', { status })
  request.log.error({ err: error }, 'unexpected error')
  const { standing } = request.trail
  return new Problem('internal', 'An unexpected error happened here; it is in the log under the id of this request.', standing === undefined ? {} : { outcome: standing })
}

/** Answers a request that is still being worked on; a create that may have happened is told as such. */
export function dismiss (problem: Problem, reply: FastifyReply): void {
  const { trail } = reply.request
  sendProblem(trail.standing === undefined ? problem : problem.with({ outcome: trail.standing }), reply.request, reply)
  // What it was told must stay true while its answer leaves.
  trail.dismissed = true
  trail.whenDismissed?.()
}

/** The one place that writes a problem as an answer of Fastify's. */
function sendProblem (problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { extras } = problem
  noteProblem(problem, request)
  // A body that was asked about and is not wanted does not come, and what comes next can't be told from it.
  if (request.headers.expect !== undefined && !request.raw.complete) reply.header('connection', 'close')
  linger(request.raw)
  reply
    .code(problem.status)
    .headers({ ...extras.headers, 'content-type': problemMediaType, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', 'x-request-id': request.id })
  reply.send(problemBody(problem, request.id))
}

function noteProblem ({ code, extras }: Problem, { trail }: FastifyRequest): void {
  // Requests that Fastify refuses before any hook runs have no trail.
  if (trail === undefined) return
  trail.code = code
  // What a repeat is told again happened to an earlier request.
  if (extras.outcome !== undefined && trail.replayed !== true) trail.outcome = extras.outcome
  if (extras.errors !== undefined) trail.faults = extras.errors.length
}
