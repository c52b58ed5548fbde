/**
 * When a request is over, whoever observes is told of it once: the log, the metrics, the traces. That is when its connection is done
 * with it, so that callers who left are told of too, and a create that was sent is told of with its outcome. It knows none
 * of those who observe.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ProblemCode } from '../server/problem.ts'
import { readTraceparent } from './trace-context.ts'
import type { Trail } from './request-record.ts'

declare module 'fastify' {
  interface FastifyRequest {
    trail: Trail
  }
}

/** A request that is over, as those who observe are given it: its trail is complete, and nobody else works on it. */
export interface Ended {
  request: FastifyRequest
  reply: FastifyReply
  /** What was answered, or 499. */
  status: number
  /** Its pattern; nothing where there was none. Fastify makes an object anew for whoever asks the request. */
  route: string | undefined
}

/** Called once for each request; it must not throw, nor take long. */
export type Observer = (ended: Ended) => void

/** A request that could not be read: it has no route and no trail. */
export interface Unread {
  /** `none` where not even that could be read. */
  method: string
  status: number
  code: ProblemCode
  requestId: string
}

/** What nginx calls a caller who left before the answer; it is logged, never sent. */
const callerLeft = 499

/**
 * Must be the first hook of the application, since everything after it may write to the trail.
 * @param begin makes the trail of a request
 * @param observers are told in this order
 */
export function addObservers (app: FastifyInstance, begin: (request: FastifyRequest) => Trail, observers: readonly Observer[]): void {
  const end = (request: FastifyRequest, reply: FastifyReply) => {
    const isAnswered = reply.raw.writableFinished || request.trail.endless === true
    const ended = { request, reply, status: isAnswered ? reply.statusCode : callerLeft, route: request.routeOptions.url }
    for (const observe of observers) observe(ended)
  }
  app.decorateRequest('trail')
  app.addHook('onRequest', (request, reply, done) => {
    request.trail = begin(request)
    reply.raw.once('close', () => {
      // The answer to a create that was sent is awaited although its caller left.
      if (request.trail.running === true) (request.trail.whenEnded ??= []).push(() => setImmediate(end, request, reply))
      else end(request, reply)
    })
    done()
  })
}

/** The trail of a request that nobody traces here. */
export function plainTrail ({ id, headers }: FastifyRequest): Trail {
  const traceId = readTraceparent(headers)?.traceId
  return traceId === undefined ? { requestId: id } : { requestId: id, traceId }
}
