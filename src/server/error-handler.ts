/**
 * Turns every failure of a request into its response: thrown Problems, errors of Fastify, and unexpected errors. An
 * unexpected error is logged in full and reported as `internal`, without its message.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { discardBody } from './lingering-close.ts'
import { Problem, problemBody, problemMediaType } from './problem.ts'
import { ClientDisconnectedError } from './errors.ts'

/**
 * Answers errors of hooks and handlers with a problem (RFC 9457). If the caller left, destroys the connection instead.
 */
export function registerErrorHandler (app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => handleError(error, request, reply))
}

function handleError (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof ClientDisconnectedError) {
    reply.hijack()
    reply.raw.destroy()
    return
  }
  sendProblem(toProblem(error, request), request, reply)
}

function toProblem (error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) {
    if (error.status >= 500 && error.cause !== undefined) {
      request.log.warn({ err: error.cause, code: error.code }, error.message)
    }
    return error
  }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Problem('bad_request', 'The request cannot be served.', { status })
  }
  request.log.error({ err: error }, 'unexpected error')
  const { provisionalOutcome } = request.record
  const detail = 'An unexpected error occurred in this service. Its log has the details under the id of this request.'
  return new Problem('internal', detail, provisionalOutcome === undefined ? {} : { outcome: provisionalOutcome })
}

/**
 * Answers a request while it is still being handled, and aborts the work. A create that may have happened is reported
 * with its provisional outcome. Procore receives no complete request afterwards. The request must have its record and
 * must not have been answered.
 */
export function abortRequest (problem: Problem, reply: FastifyReply): void {
  const { record } = reply.request
  const outcome = record.provisionalOutcome
  sendProblem(outcome === undefined ? problem : problem.withExtras({ outcome }), reply.request, reply)
  // The reported outcome must stay true while the response is being written, so the work is aborted at once.
  record.isAborted = true
  record.onAborted?.()
}

/** Records a problem, discards the rest of the request body, and sends the problem as the response. */
export function sendProblem (problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { extras } = problem
  recordProblem(problem, request)
  // RFC 9110 §10.1.1: after `Expect: 100-continue` and a final response, the client may or may not send the body. The
  // next bytes could be the body or a new request, so the connection closes.
  if (request.headers.expect !== undefined && !request.raw.complete) reply.header('connection', 'close')
  discardBody(request.raw)
  reply
    .code(problem.status)
    .headers({
      ...extras.headers,
      'content-type': problemMediaType,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'x-request-id': request.id,
    })
  reply.send(problemBody(problem, request.id))
}

function recordProblem ({ code, extras }: Problem, { record }: FastifyRequest): void {
  // Requests that Fastify rejects before any hook runs have no record.
  if (record === undefined) return
  record.code = code
  // A replayed outcome belongs to an earlier request.
  if (extras.outcome !== undefined && record.replayed !== true) record.outcome = extras.outcome
  if (extras.errors !== undefined) record.errorCount = extras.errors.length
}
