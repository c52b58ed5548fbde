/**
 * What is judged of a request's head before anybody asks who sent it: whether its route is there, and whether all parsers agree on it.
 * It knows neither callers nor what a route does, and no body was read yet.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { findDoubtful } from './doubtful.ts'
import { Problem } from './problem.ts'

/** Adds the hook that refuses with `not_found`, `method_not_allowed` or `bad_request`; all answers from there on name the request by its id. */
export function judgeHeads (app: FastifyInstance): void {
  app.setNotFoundHandler(request => { throw noRoute(app, request) })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    // Before its handler, Fastify would parse the body of a request that has no route, and find fault with that first.
    done(request.is404 ? noRoute(app, request) : findDoubtful(request.raw))
  })
}

/** A path that has routes for other methods is told of them (RFC 9110 §15.5.6). */
function noRoute (app: FastifyInstance, { raw: { url = '' } }: FastifyRequest): Problem {
  const methods = app.supportedMethods.filter(method => isPath(app.findRoute({ method, url })?.params))
  if (methods.length === 0) return new Problem('not_found', 'There is no such route.')
  return new Problem('method_not_allowed', 'The route does not have this method.', { headers: { allow: methods.join(', ') } })
}

/** The router takes nothing for a parameter: `/users/` would be the user of no id. The one route of @fastify/cors, for every path, is a path of nobody's. */
const isPath = (params: object | undefined) => params !== undefined && !('*' in params) && !Object.values(params).includes('')
