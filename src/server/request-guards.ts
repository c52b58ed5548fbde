/**
 * What is judged of a request's head before anybody asks who sent it: whether its route is there, and whether all parsers agree on it.
 * It knows neither callers nor what a route does, and no body was read yet.
 */
import type { FastifyInstance } from 'fastify'
import { findDoubtful } from './doubtful.ts'
import type { Paths } from './method-not-allowed.ts'

/** Adds the hook that refuses with `not_found`, `method_not_allowed` or `bad_request`; all answers from there on name the request by its id. */
export function judgeHeads (app: FastifyInstance, paths: Paths): void {
  app.setNotFoundHandler(request => { throw paths.refusalOf(request.raw.url) })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    // Before its handler, Fastify would parse the body of a request that has no route, and find fault with that first.
    done(request.is404 ? paths.refusalOf(request.raw.url) : findDoubtful(request.raw))
  })
}
