/**
 * One log line a request, written when its connection is done with it, so that callers who left are told of too.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Trail } from './trail.ts'

declare module 'fastify' {
  interface FastifyRequest {
    trail: Trail
  }
}

/** What nginx calls a caller who left before the answer; it is logged, never sent. */
const callerLeft = 499

/** Must be the first hook of the application, since everything after it may write to the trail. */
export function addAccessLog (app: FastifyInstance): void {
  app.decorateRequest('trail')
  app.addHook('onRequest', (request, reply, done) => {
    request.trail = {}
    reply.raw.once('close', () => {
      // The answer to a create that was sent is awaited although its caller left: the line tells how it ended.
      if (request.trail.running === true) (request.trail.whenEnded ??= []).push(() => setImmediate(writeLine, request, reply))
      else writeLine(request, reply)
    })
    done()
  })
}

function writeLine (request: FastifyRequest, reply: FastifyReply): void {
  const { trail } = request
  const status = reply.raw.writableFinished ? reply.statusCode : callerLeft
  const line = {
    method: request.method,
    route: request.routeOptions.url,
    status,
    code: trail.code,
    outcome: trail.outcome,
    faults: trail.faults,
    durationMs: tenths(reply.elapsedTime),
    waitMs: tenths(trail.waitMs),
    upstreamMs: tenths(trail.upstreamMs),
    upstreamStatus: trail.upstreamStatus,
    bytesIn: trail.bytesIn,
    bytesOut: Number(reply.getHeader('content-length') ?? 0),
    form: trail.form,
    lookUps: trail.lookUps,
    replayed: trail.replayed,
    companyId: trail.companyId,
    procoreRequestId: trail.procoreRequestId,
  }
  if (status >= 500) request.log.warn(line, 'request')
  else request.log.info(line, 'request')
}

const tenths = (ms: number | undefined) => ms === undefined ? undefined : Math.round(ms * 10) / 10
