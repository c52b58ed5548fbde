/** Protects the proxied routes. Checks in this order: authentication, rate limit, company, operation. */
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { canIdentifyCallers, type Config } from '../config/index.ts'
import { getScopeOperations, type Endpoint } from '../endpoints/endpoint.ts'
import { raceWithAbort } from '../server/abort.ts'
import type { Problem } from '../server/problem.ts'
import { anonymous, JwtAuthenticator, type Identity } from './jwt.ts'
import type { JwksCache } from './jwks.ts'
import { checkOperation, companyNotAllowedProblem, isCompanyAllowed, parseCompanyId } from './authorize.ts'
import { createRateLimitHook, type SharedRateLimit } from './rate-limit.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Endpoint that a proxied route serves. */
    endpoint?: Endpoint
  }
  interface FastifyInstance {
    /** The `onRequest` hooks of each route that callers need a permission for. */
    authorizeCaller: readonly onRequestHookHandler[]
    /** Returns the problem of a caller whose scopes do not include the operation. */
    checkOperation: (operation: string, identity: Identity) => Problem | undefined
    /** Whether the service and the caller may access the company. */
    isCompanyAllowed: (id: number, identity: Identity) => boolean
  }
  interface FastifyRequest {
    /** Null until the hooks of `authorizeCaller` have run. */
    identity: Identity | null
    /** Key of the limits per caller; undefined where callers cannot be identified. */
    callerId: string | undefined
  }
}

export interface AuthOptions {
  config: Config['auth']
  /** The issuer's keys; undefined if callers are not authenticated. */
  jwks: JwksCache | undefined
  /** Present if all replicas count the requests of a caller together. */
  sharedRateLimit: SharedRateLimit | undefined
}

/** Headers by which a gateway says that it forwards a request (RFC 7239, RFC 9110 §7.6.3). */
const forwardingHeaders = ['x-forwarded-for', 'forwarded', 'via']

/** Decorates the instance with `authorizeCaller`. */
export const authPlugin = fp<AuthOptions>(async (app, { config, jwks, sharedRateLimit }) => {
  const { jwt, ratePerMinute, companyIds, trustedProxies } = config
  const identifiesCallers = canIdentifyCallers(config)
  const authenticator = jwt === undefined || jwks === undefined ? undefined : new JwtAuthenticator(jwt, jwks)
  app.decorateRequest('identity', null)
  app.decorateRequest('callerId', undefined)

  // Hooks without promises, because almost every caller is known without waiting.
  const authenticate: onRequestHookHandler = (request, _reply, done) => {
    const onIdentified = (identity: Identity) => {
      const { subject } = identity
      request.identity = identity
      if (subject !== '' && request.inFlight !== null) request.inFlight.record.subject = subject
      request.callerId = subject !== '' ? subject : identifiesCallers ? getAddress(request) : undefined
      done()
    }
    const identity = authenticator?.authenticate(request.headers, () => knownAddress(request)) ?? anonymous
    if (identity instanceof Promise) untilAborted(identity, request).then(onIdentified, done)
    else onIdentified(identity)
  }
  const authorize: onRequestHookHandler = ({ params, query, identity, inFlight, routeOptions }, _reply, done) => {
    if (identity === null) throw new Error('The caller was not authenticated.')
    const companyId = parseCompanyId(getCompanyId(params) ?? getCompanyId(query))
    if (companyId !== undefined) {
      // The log and the audit trail name the caller, also if it is refused.
      if (inFlight !== null) inFlight.record.companyId = companyId
      if (!app.isCompanyAllowed(companyId, identity)) throw companyNotAllowedProblem()
    }
    const { endpoint } = routeOptions.config
    for (const operation of endpoint === undefined ? [] : getScopeOperations(endpoint)) {
      const problem = app.checkOperation(operation, identity)
      if (problem !== undefined) throw problem
    }
    done()
  }
  const trustsProxies = trustedProxies.length > 0
  /** Undefined if the peer forwards requests of others and is not trusted to report their addresses. */
  const knownAddress = (request: FastifyRequest): string | undefined => {
    const isForwarded = forwardingHeaders.some(name => request.headers[name] !== undefined)
    return trustsProxies || !isForwarded ? getAddress(request) : undefined
  }
  app.decorate('checkOperation', (operation: string, identity: Identity) =>
    checkOperation(operation, identity, jwt?.scopePrefix ?? ''))
  app.decorate('isCompanyAllowed', (id: number, identity: Identity) => isCompanyAllowed(id, identity, companyIds))
  const limitsRate = ratePerMinute > 0 && identifiesCallers
  const limitRate = limitsRate ? [await createRateLimitHook(app, ratePerMinute, sharedRateLimit)] : []
  app.decorate('authorizeCaller', [authenticate, ...limitRate, authorize])
})

/** Returns the address of the caller, or its network with IPv6, where one caller has many addresses. */
function getAddress ({ inFlight }: FastifyRequest): string | undefined {
  const address = inFlight?.record.address
  return address === undefined ? undefined : normalizeIP(address)
}

function untilAborted<T> (promise: Promise<T>, { inFlight }: FastifyRequest): Promise<T> {
  return inFlight === null ? promise : raceWithAbort(promise, inFlight.signal)
}

/**
 * Reads the company from the path parameters or the query. Procore's own path of some endpoints has it in the query.
 */
function getCompanyId (parameters: unknown): string | undefined {
  if (typeof parameters !== 'object' || parameters === null || !('company_id' in parameters)) return undefined
  const { company_id: companyId } = parameters
  return typeof companyId === 'string' ? companyId : undefined
}
