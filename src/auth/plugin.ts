/** Protects the proxied routes. Checks in this order: authentication, rate limit, company, operation. */
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { canIdentifyCallers, type Config } from '../config/index.ts'
import type { ProxyConfig } from '../http/connection-pool.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import { toError } from '../server/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { anonymous, JwtAuthenticator, type Identity } from './jwt.ts'
import { JwksCache } from './jwks.ts'
import { authorizeCompany, authorizeOperation } from './authorize.ts'
import { registerRateLimit, type SharedRateLimit } from './rate-limit.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Endpoint that a proxied route serves. */
    endpoint?: Endpoint
  }
  interface FastifyRequest {
    identity: Identity
    /** Key of the limits per caller; undefined where callers cannot be identified. */
    callerId: string | undefined
  }
}

type AuthConfig = Config['auth']

/** Authenticates and authorizes callers. `jwks` is public because readiness and the status page read its status. */
export class AuthPlugin {
  readonly jwks: JwksCache | undefined
  readonly #config: AuthConfig
  readonly #authenticator: JwtAuthenticator | undefined

  constructor (config: AuthConfig, proxy: ProxyConfig, log: Logger) {
    this.#config = config
    if (config.jwt === undefined) return
    this.jwks = new JwksCache(config.jwt.jwksUrl, proxy, log)
    this.#authenticator = new JwtAuthenticator(config.jwt, this.jwks)
  }

  /** Closes the connections to the issuer. */
  async close (): Promise<void> {
    await this.jwks?.close()
  }

  /** Registers the checks for every route of this scope. With `sharedRateLimit`, all replicas count together. */
  async register (scope: FastifyInstance, sharedRateLimit: SharedRateLimit | undefined): Promise<void> {
    const { ratePerMinute } = this.#config
    scope.decorateRequest('identity')
    scope.decorateRequest('callerId')
    scope.addHook('onRequest', (request, _reply, done) => this.#authenticate(request, done))
    if (ratePerMinute > 0 && canIdentifyCallers(this.#config)) {
      await registerRateLimit(scope, ratePerMinute, sharedRateLimit)
    }
    scope.addHook('onRequest', (request, _reply, done) => done(this.#authorize(request)))
  }

  /** Calls `done` synchronously when the identity is cached, which is the common case. */
  #authenticate (request: FastifyRequest, done: (error?: Error) => void): void {
    const setIdentity = (identity: Identity) => {
      request.identity = identity
      if (identity.subject !== '') request.callerId = identity.subject
      else request.callerId = canIdentifyCallers(this.#config) ? normalizeIP(request.ip) : undefined
      done()
    }
    try {
      const identity = this.#authenticator?.authenticate(request.headers) ?? anonymous
      if (identity instanceof Promise) identity.then(setIdentity, done)
      else setIdentity(identity)
    } catch (error) {
      done(toError(error))
    }
  }

  #authorize ({ params, query, identity, routeOptions }: FastifyRequest): Error | undefined {
    const { companyIds, jwt } = this.#config
    try {
      authorizeCompany(getCompanyId(params) ?? getCompanyId(query), identity, companyIds)
      const { endpoint } = routeOptions.config
      if (endpoint !== undefined) authorizeOperation(endpoint, identity, jwt?.scopePrefix ?? '')
      return undefined
    } catch (error) {
      return toError(error)
    }
  }
}

/**
 * Reads the company from the path parameters or the query. Procore's own path of some endpoints has it in the query.
 */
function getCompanyId (parameters: unknown): string | undefined {
  if (typeof parameters !== 'object' || parameters === null || !('company_id' in parameters)) return undefined
  const { company_id: companyId } = parameters
  return typeof companyId === 'string' ? companyId : undefined
}
