/**
 * Turns every failure of a request into its response: thrown Problems, errors of Fastify, and unexpected errors. An
 * unexpected error is logged in full and reported as `internal`, without its message.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { closeAfterResponse } from './connection-close.ts'
import { discardBody } from './lingering-close.ts'
import { Problem, problemBody, problemMediaType } from './problem.ts'
import { ClientDisconnectedError } from './errors.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'

/**
 * Answers errors of hooks and handlers with a problem (RFC 9457). If the caller left, destroys the connection instead.
 */
export const errorHandlerPlugin = fp(async app => {
  app.setErrorHandler((error, request, reply) => {
    // Logs an error that is unexpected, also if nobody waits for the response any longer.
    const problem = error instanceof ClientDisconnectedError ? undefined : toProblem(error, request)
    // The record of a request whose caller has left may be frozen already.
    const hasLeft = request.inFlight?.signal.reason instanceof ClientDisconnectedError
    if (problem !== undefined && !hasLeft) return sendProblem(problem, request, reply)
    reply.hijack()
    reply.raw.destroy()
  })
})

function toProblem (error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) {
    const { code, cause, message } = error
    if (error.status >= 500 && cause !== undefined) {
      request.log.warn({ ...logIds(request), err: cause, code }, message)
    }
    return error
  }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Problem('bad_request', 'The request cannot be served.', { status })
  }
  return unexpectedProblem(error, request)
}

/** Logs an unexpected error in full. Returns the problem that is reported instead of it. */
export function unexpectedProblem (error: unknown, request: FastifyRequest): Problem {
  request.log.error({ ...logIds(request), err: error }, 'unexpected error')
  const detail = 'An unexpected error occurred in this service. Its log has the details under the id of this request.'
  return new Problem('internal', detail)
}

const logIds = ({ id, inFlight }: FastifyRequest) => ({ requestId: id, traceId: inFlight?.record.traceId })

/** Records a problem, discards the rest of the request body, and sends the problem as the response. */
export function sendProblem (problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { extras } = problem
  // A request that Fastify rejects before any hook runs has no record.
  if (request.inFlight !== null) recordProblem(problem, request.inFlight.record)
  // RFC 9110 §10.1.1: after `Expect: 100-continue` and a final response, the client may or may not send the body. The
  // next bytes could be the body or a new request, so the connection closes.
  const isBodyUncertain = request.headers.expect !== undefined && !request.raw.complete
  if (isBodyUncertain || extras.headers?.['connection'] === 'close') closeAfterResponse(reply)
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

/** Records a problem for the log and the metrics. */
export function recordProblem ({ code, extras }: Problem, record: RequestRecord): void {
  record.code = code
  // A replayed outcome belongs to an earlier request.
  if (extras.outcome !== undefined && record.replayed !== true) record.outcome = extras.outcome
  if (extras.errors !== undefined) record.errorCount = extras.errors.length
}
