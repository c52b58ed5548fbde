/**
 * Where every failure of a request becomes its answer: thrown Problems, errors of Fastify, and the unexpected, which is logged in full and
 * told as `internal` without a word of its own. It finds no fault itself, and does not know where one was found.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { discardBody } from './lingering-close.ts'
import { Problem, problemBody, problemMediaType } from './problem.ts'
import { ClientDisconnectedError } from './errors.ts'

/** Whatever a hook or a handler throws is answered with a problem (RFC 9457), unless the caller left, whose connection is then closed. */
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
    if (error.status >= 500 && error.cause !== undefined) request.log.warn({ err: error.cause, code: error.code }, error.message)
    return error
  }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (typeof status === 'number' && status >= 400 && status < 500) return new Problem('bad_request', 'The request cannot be served.', { status })
  request.log.error({ err: error }, 'unexpected error')
  const { provisionalOutcome } = request.record
  return new Problem('internal', 'An unexpected error happened here; it is in the log under the id of this request.', provisionalOutcome === undefined ? {} : { outcome: provisionalOutcome })
}

/**
 * Answers a request that is still being worked on; a create that may have happened is told as such. Nothing of it becomes complete at
 * Procore any more. The request must have its trail, and no answer yet.
 */
export function abortRequest (problem: Problem, reply: FastifyReply): void {
  const { record } = reply.request
  sendProblem(record.provisionalOutcome === undefined ? problem : problem.withExtras({ outcome: record.provisionalOutcome }), reply.request, reply)
  // What it was told must stay true while its answer leaves.
  record.isAborted = true
  record.onAborted?.()
}

/** The one place that writes a problem as an answer of Fastify's, notes it on the trail, and sees to the rest of the body. */
export function sendProblem (problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { extras } = problem
  recordProblem(problem, request)
  // A body that was asked about and is not wanted does not come, and what comes next can't be told from it.
  if (request.headers.expect !== undefined && !request.raw.complete) reply.header('connection', 'close')
  discardBody(request.raw)
  reply
    .code(problem.status)
    .headers({ ...extras.headers, 'content-type': problemMediaType, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', 'x-request-id': request.id })
  reply.send(problemBody(problem, request.id))
}

function recordProblem ({ code, extras }: Problem, { record }: FastifyRequest): void {
  // Requests that Fastify refuses before any hook runs have no trail.
  if (record === undefined) return
  record.code = code
  // What a repeat is told again happened to an earlier request.
  if (extras.outcome !== undefined && record.replayed !== true) record.outcome = extras.outcome
  if (extras.errors !== undefined) record.errorCount = extras.errors.length
}
