/** The paths that there are: a method that a path does not have is told with those that it has. It knows nothing of what routes do. */
import type { FastifyInstance } from 'fastify'
import findMyWay from 'find-my-way'
import { Problem } from './problem.ts'

/** The router takes nothing for a parameter: `/users/` would be the user of no id. */
const hasEmptyParam = (params: unknown) => typeof params === 'object' && params !== null && Object.values(params).includes('')

const notFoundProblem = () => new Problem('not_found', 'There is no such route.')

/** Of one service: made before its routes, closed after them. */
export class AllowedMethods {
  readonly #methodsByUrl = new Map<string, Set<string>>()
  /** As Fastify's own, but with one method, under which a path has its refusal. */
  readonly #problems = findMyWay()

  /** To be made before any route. */
  constructor (app: FastifyInstance) {
    app.addHook('onRoute', ({ url, method }) => {
      // The one route of @fastify/cors is a path of nobody's.
      if (url !== '*') this.#methodsByUrl.set(url, (this.#methodsByUrl.get(url) ?? new Set()).union(new Set([method].flat())))
    })
  }

  /**
   * To be called once, after all routes. Methods that other paths have are refused by routes, since a path with a parameter in the same
   * place would take them; all others come to nobody, and `refusalOf` tells why.
   */
  registerFallbacks (app: FastifyInstance): void {
    const paths = [...this.#methodsByUrl]
    const usedMethods = paths.reduce((all, [, methods]) => all.union(methods), new Set<string>())
    for (const [url, methods] of paths) {
      const problem = new Problem('method_not_allowed', 'The route does not have this method.', { headers: { allow: [...methods].join(', ') } })
      this.#problems.on('GET', url, () => {}, problem)
      app.route({
        method: [...usedMethods.difference(methods)],
        url,
        schema: { hide: true },
        onRequest: (request, _reply, done) => done(hasEmptyParam(request.params) ? notFoundProblem() : problem),
        handler: () => { throw problem },
      })
    }
  }

  /** Why a request has no route (RFC 9110 §15.5.5, §15.5.6). */
  problemFor (url = ''): Problem {
    const found = this.#problems.find('GET', url)
    return found?.store instanceof Problem && !hasEmptyParam(found.params) ? found.store : notFoundProblem()
  }
}
