/**
 * When a request is over, whoever observes is told of it once: the log, the metrics, the traces. That is when its connection is done
 * with it, so that callers who left are told of too, and a create that was sent is told of with its outcome. It knows none
 * of those who observe.
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

/** A request that is over, as those who observe are given it: its trail is complete, and nobody else works on it. */
export interface RequestEnd {
  request: FastifyRequest
  reply: FastifyReply
  /** What was answered, or 499. */
  status: number
  /** Its pattern; nothing where there was none. Fastify makes an object anew for whoever asks the request. */
  route: string | undefined
}

/** Called once for each request; it must not throw, nor take long. */
export type RequestEndListener = (requestEnd: RequestEnd) => void

/** A request that could not be read: it has no route and no trail. */
export interface UnparsedRequest {
  /** `none` where not even that could be read. */
  method: string
  status: number
  code: ProblemCode
  requestId: string
}

/** What nginx calls a caller who left before the answer; it is logged, never sent. */
const clientClosedRequest = 499

/**
 * Must be the first hook of the application, since everything after it may write to the trail.
 * @param startRecord makes the trail of a request
 * @param listeners are told in this order
 */
export function registerRequestEnd (app: FastifyInstance, startRecord: (request: FastifyRequest) => RequestRecord, listeners: readonly RequestEndListener[]): void {
  const notifyListeners = (request: FastifyRequest, reply: FastifyReply) => {
    const isAnswered = reply.raw.writableFinished || request.record.isEventStream === true
    const requestEnd = { request, reply, status: isAnswered ? reply.statusCode : clientClosedRequest, route: request.routeOptions.url }
    for (const listener of listeners) listener(requestEnd)
  }
  app.decorateRequest('record')
  app.addHook('onRequest', (request, reply, done) => {
    request.record = startRecord(request)
    reply.raw.once('close', () => {
      // The answer to a create that was sent is awaited although its caller left.
      if (request.record.isHandling === true) (request.record.onHandled ??= []).push(() => setImmediate(notifyListeners, request, reply))
      else notifyListeners(request, reply)
    })
    done()
  })
}

/** The trail of a request that nobody traces here. */
export function createRecord ({ id, headers }: FastifyRequest): RequestRecord {
  const traceId = parseTraceparent(headers)?.traceId
  return traceId === undefined ? { requestId: id } : { requestId: id, traceId }
}
