/**
 * Notifies listeners (access log, metrics, tracing) once when a request ends. It ends when Node closes the response,
 * which also covers callers that disconnect. If the handler still works then, the end is delayed until it is done, so
 * that a create that was sent is reported with its outcome.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ProblemCode } from '../server/problem.ts'
import { parseTraceparent } from './trace-context.ts'
import type { RequestRecord } from './request-record.ts'

declare module 'fastify' {
  interface FastifyRequest {
    record: RequestRecord
  }
}

/** A request that ended. Its record is complete. */
export interface RequestEnd {
  request: FastifyRequest
  reply: FastifyReply
  /** Status of the response, or 499 if the caller disconnected before its end. */
  status: number
  /**
   * Pattern of the route; absent if none matched. It is read once here, since `routeOptions` creates an object each
   * time.
   */
  route: string | undefined
}

/** Called once for each request, synchronously: it must be fast and must not throw. */
export type RequestEndListener = (requestEnd: RequestEnd) => void

/** A request that could not be parsed. It has neither a route nor a record. */
export interface UnparsedRequest {
  /** `none` if the method could not be parsed either. */
  method: string
  status: number
  code: ProblemCode
  requestId: string
}

/** nginx's status for a caller that disconnects before the response. It is logged, never sent. */
const clientClosedRequest = 499

/**
 * Creates the record of each request and calls the listeners, in this order, at its end. Must be registered before all
 * other hooks, since they may write to the record.
 */
export function registerRequestEnd (
  app: FastifyInstance,
  startRecord: (request: FastifyRequest) => RequestRecord,
  listeners: readonly RequestEndListener[]
): void {
  const notifyListeners = (request: FastifyRequest, reply: FastifyReply) => {
    const isComplete = reply.raw.writableFinished || request.record.isEventStream === true
    const status = isComplete ? reply.statusCode : clientClosedRequest
    const requestEnd = { request, reply, status, route: request.routeOptions.url }
    for (const listener of listeners) listener(requestEnd)
  }
  app.decorateRequest('record')
  app.addHook('onRequest', (request, reply, done) => {
    const record = startRecord(request)
    request.record = record
    reply.raw.once('close', () => {
      if (record.isHandling !== true) return notifyListeners(request, reply)
      // The handler still waits for Procore's response to a create that was sent, although the caller disconnected.
      record.onHandled ??= []
      record.onHandled.push(() => setImmediate(notifyListeners, request, reply))
    })
    done()
  })
}

/** Returns the record of a request when tracing is off. Its trace id is that of the gateway, for the log. */
export function createRecord ({ id, headers }: FastifyRequest): RequestRecord {
  const traceId = parseTraceparent(headers)?.traceId
  return traceId === undefined ? { requestId: id } : { requestId: id, traceId }
}
