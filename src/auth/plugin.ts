/**
 * The guard in front of the mirrored routes, in the order in which a request is refused: who calls, how often, which company, which
 * operation. It knows nothing of bodies.
 */
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
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
    /** The description that a mirrored route follows. */
    endpoint?: Endpoint
  }
  interface FastifyRequest {
    identity: Identity
    /** By whom limits count; nothing where callers can't be told apart. */
    callerId: string | undefined
  }
}

type AuthConfig = Config['auth']

/** The guard as one part of the service: `guard` puts it before a scope, `keys` is looked at from outside. */
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

  /** Ends the connections to the issuer. */
  async close (): Promise<void> {
    await this.jwks?.close()
  }

  /** Guards every route of this scope; the store counts for all replicas. */
  async register (scope: FastifyInstance, sharedRateLimit: SharedRateLimit | undefined): Promise<void> {
    const { ratePerMinute } = this.#config
    scope.decorateRequest('identity')
    scope.decorateRequest('callerId')
    scope.addHook('onRequest', (request, _reply, done) => this.#authenticate(request, done))
    if (ratePerMinute > 0 && canIdentifyCallers(this.#config)) await registerRateLimit(scope, ratePerMinute, sharedRateLimit)
    scope.addHook('onRequest', (request, _reply, done) => done(this.#authorize(request)))
  }

  /** Answers without a promise for a caller who is known, which most are. */
  #authenticate (request: FastifyRequest, done: (error?: Error) => void): void {
    const setIdentity = (identity: Identity) => {
      request.identity = identity
      request.callerId = identity.subject !== '' ? identity.subject : canIdentifyCallers(this.#config) ? normalizeIP(request.ip) : undefined
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

/** Whether callers can be told apart: by subject, or by an address that a trusted proxy vouches for. */
export function canIdentifyCallers ({ jwt, trustedProxies }: AuthConfig): boolean {
  return jwt !== undefined || trustedProxies.length > 0
}

/** A path that names no company has it in the query; where it is named in the path, the query may not name another one. */
function getCompanyId (parameters: unknown): string | undefined {
  const id = typeof parameters === 'object' && parameters !== null && 'company_id' in parameters ? parameters.company_id : undefined
  return typeof id === 'string' ? id : undefined
}
