/** Rejects a method that a path does not support with 405 and `Allow`, and an unknown path with 404. */
import type { FastifyInstance, RouteOptions } from 'fastify'
import findMyWay from 'find-my-way'
import { Problem } from './problem.ts'

/** The router accepts an empty parameter, so `/users/` would match `/users/:id` with an empty id. */
const hasEmptyParam = (params: unknown) =>
  typeof params === 'object' && params !== null && Object.values(params).includes('')

const notFoundProblem = () => new Problem('not_found', 'The route does not exist.')

/** Collects the methods of each path. */
export class AllowedMethods {
  readonly #methodsByUrl = new Map<string, Set<string>>()
  /** Router like Fastify's own. It stores the problem of each path under one method. */
  readonly #problems = findMyWay()

  /** Must be called for each route. */
  add ({ url, method }: Pick<RouteOptions, 'url' | 'method'>): void {
    // @fastify/cors registers one catch-all route, which is not a path of this service.
    if (url === '*') return
    const knownMethods = this.#methodsByUrl.get(url) ?? new Set()
    this.#methodsByUrl.set(url, knownMethods.union(new Set([method].flat())))
  }

  /**
   * Registers a route that rejects, for each path, every method that only other paths support. Without it, another path
   * with a parameter in the same position would match. Methods that no path supports match no route; `problemFor`
   * returns their problem.
   */
  registerFallbacks (app: FastifyInstance): void {
    const paths = [...this.#methodsByUrl]
    const usedMethods = paths.reduce((all, [, methods]) => all.union(methods), new Set<string>())
    for (const [url, methods] of paths) {
      const allow = [...methods].join(', ')
      const detail = `The route does not support this method. It supports ${allow}.`
      const problem = new Problem('method_not_allowed', detail, { headers: { allow } })
      this.#problems.on('GET', url, () => {}, problem)
      app.route({
        method: [...usedMethods.difference(methods)],
        url,
        schema: { hide: true },
        config: { acceptsAnyHost: true },
        onRequest: (request, _reply, done) => done(hasEmptyParam(request.params) ? notFoundProblem() : problem),
        handler: () => { throw problem },
      })
    }
  }

  /** Returns the problem for a URL that matched no route (RFC 9110 §15.5.5, §15.5.6). */
  problemFor (url = ''): Problem {
    const found = this.#problems.find('GET', url)
    return found?.store instanceof Problem && !hasEmptyParam(found.params) ? found.store : notFoundProblem()
  }
}

/** Must be registered once, after all routes. */
export async function methodNotAllowedPlugin (
  app: FastifyInstance, { allowedMethods }: { allowedMethods: AllowedMethods }
): Promise<void> {
  allowedMethods.registerFallbacks(app)
}
