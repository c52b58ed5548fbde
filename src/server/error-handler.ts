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
    try {
      respond(error, request, reply)
    } catch (failure) {
      sendFallback(failure, request, reply)
    }
  })
})

function respond (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  // Logs an error that is unexpected, also if nobody waits for the response any longer.
  const problem = error instanceof ClientDisconnectedError ? undefined : toProblem(error, request)
  // The record of a request whose caller has left may be frozen already.
  const hasLeft = request.inFlight?.signal.reason instanceof ClientDisconnectedError
  if (problem !== undefined && !hasLeft) {
    sendProblem(problem, request, reply)
  } else {
    reply.hijack()
    reply.raw.destroy()
  }
}

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

/**
 * Records a problem, discards the rest of the request body, and sends the problem as the response. It is written to
 * Node's response, because Fastify would answer an error of a hook or serializer at this point in its own format.
 */
export function sendProblem (problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const { extras } = problem
  const { inFlight, raw, id } = request
  // A request that Fastify rejects before any hook runs has no record.
  if (inFlight !== null) recordProblem(problem, inFlight.record)
  // RFC 9110 §10.1.1: after `Expect: 100-continue` and a final response, the client may or may not send the body. The
  // next bytes could be the body or a new request, so the connection closes.
  const isBodyUncertain = request.headers.expect !== undefined && !raw.complete
  const isLast = extras.headers?.['connection'] === 'close' || inFlight?.closesConnection === true
  if (isBodyUncertain || isLast) closeAfterResponse(reply)
  discardBody(raw)
  reply.headers(extras.headers ?? {})
  // The hook of the CORS plugin has not run if an earlier one has rejected the request.
  if (!reply.hasHeader('vary')) reply.headers(request.server.corsHeaders(request.headers.origin))
  writeProblem(reportedProblem(problem, inFlight?.record), id, reply)
}

/**
 * Adds the outcome to an unexpected error after a create or change has succeeded: the caller does not get the result.
 */
function reportedProblem (problem: Problem, record: RequestRecord | undefined): Problem {
  const isUnreported = problem.code === 'internal' && problem.extras.outcome === undefined
  return isUnreported && record?.outcome !== undefined ? problem.withExtras({ outcome: 'unknown' }) : problem
}

function writeProblem (problem: Problem, id: string, reply: FastifyReply): void {
  const body = problemBody(problem, id)
  reply.headers({
    'content-type': problemMediaType,
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    'x-request-id': id,
  })
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    try {
      if (value !== undefined) reply.raw.setHeader(name, value)
    } catch {
      // The problem is more useful without a header that Node rejects than not at all.
    }
  }
  reply.hijack()
  reply.raw.writeHead(problem.status).end(body)
}

/** Answers with `internal`, because the response to an error has failed. */
function sendFallback (failure: unknown, request: FastifyRequest, reply: FastifyReply): void {
  try {
    const problem = unexpectedProblem(failure, request)
    if (request.inFlight !== null) recordProblem(problem, request.inFlight.record)
    writeProblem(reportedProblem(problem, request.inFlight?.record), request.id, reply)
  } catch {
    reply.hijack()
    reply.raw.destroy()
  }
}

/** Records a problem for the log and the metrics. */
export function recordProblem ({ code, extras }: Problem, record: RequestRecord): void {
  record.code = code
  // A replayed outcome belongs to an earlier request.
  if (extras.outcome !== undefined && record.replayed !== true) record.outcome = extras.outcome
  if (extras.authFailure !== undefined) record.authFailure = extras.authFailure
  if (extras.errors !== undefined) record.errorCount = extras.errors.length
}
