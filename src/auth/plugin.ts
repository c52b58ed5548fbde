/**
 * The guard in front of the mirrored routes, in the order in which a request is refused: who calls, how often, which company, which
 * operation. It knows nothing of bodies.
 */
import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import type { Proxy } from '../http/connection-pool.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { asError } from '../server/errors.ts'
import type { SharedStore } from '../storage/redis.ts'
import { anybody, Identities, type Identity } from './jwt.ts'
import { IssuerKeys, type KeysLog } from './jwks.ts'
import { judgeCompany, judgeOperation } from './authorize.ts'

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

/** How replicas count together. */
interface RateSharing {
  store: SharedStore
  nameOf (callerId: string): string
}

type ConfigOfCallers = Config['callers']

/** The guard as one part of the service: `guard` puts it before a scope, `keys` is looked at from outside. */
export class Callers {
  readonly keys: IssuerKeys | undefined
  readonly #config: ConfigOfCallers
  readonly #identities: Identities | undefined

  constructor (config: ConfigOfCallers, proxy: Proxy, log: KeysLog) {
    this.#config = config
    if (config.jwt === undefined) return
    this.keys = new IssuerKeys(config.jwt.jwksUrl, proxy, log)
    this.#identities = new Identities(config.jwt, this.keys)
  }

  /** Ends the connections to the issuer. */
  async close (): Promise<void> {
    await this.keys?.close()
  }

  /** Guards every route of this scope; the store counts for all replicas. */
  async guard (scope: FastifyInstance, store: RateSharing | undefined): Promise<void> {
    const { ratePerMinute } = this.#config
    scope.decorateRequest('identity')
    scope.decorateRequest('callerId')
    scope.addHook('onRequest', (request, _reply, done) => this.#identify(request, done))
    if (ratePerMinute > 0 && areTold(this.#config)) await addRate(scope, ratePerMinute, store)
    scope.addHook('onRequest', (request, _reply, done) => done(this.#judge(request)))
  }

  /** Answers without a promise for a caller who is known, which most are. */
  #identify (request: FastifyRequest, done: (error?: Error) => void): void {
    const take = (identity: Identity) => {
      request.identity = identity
      request.callerId = identity.subject !== '' ? identity.subject : areTold(this.#config) ? normalizeIP(request.ip) : undefined
      done()
    }
    try {
      const identity = this.#identities?.identify(request.headers) ?? anybody
      if (identity instanceof Promise) identity.then(take, done)
      else take(identity)
    } catch (error) {
      done(asError(error))
    }
  }

  #judge ({ params, query, identity, routeOptions }: FastifyRequest): Error | undefined {
    const { companyIds, jwt } = this.#config
    try {
      judgeCompany(companyIn(params) ?? companyIn(query), identity, companyIds)
      const { endpoint } = routeOptions.config
      if (endpoint !== undefined) judgeOperation(endpoint, identity, jwt?.scopePrefix ?? '')
      return undefined
    } catch (error) {
      return asError(error)
    }
  }
}

/** Whether callers can be told apart: by subject, or by an address that a trusted proxy vouches for. */
export function areTold ({ jwt, trustedProxies }: ConfigOfCallers): boolean {
  return jwt !== undefined || trustedProxies.length > 0
}

async function addRate (scope: FastifyInstance, ratePerMinute: number, store: RateSharing | undefined): Promise<void> {
  await scope.register(rateLimit, {
    global: false,
    max: ratePerMinute,
    timeWindow: 60_000,
    cache: limits.callerRate.callersMax,
    ...(store !== undefined && { store: (await import('./rate-limit.ts')).rateStore(store.store, store.nameOf) }),
    enableDraftSpec: true,
    keyGenerator: ({ callerId }) => callerId ?? '',
    errorResponseBuilder: () => new Problem('too_many_requests', 'This caller sends too many requests.'),
  })
  scope.addHook('onRequest', scope.rateLimit())
}

/** A path that names no company has it in the query; where it is named in the path, the query may not name another one. */
function companyIn (parameters: unknown): string | undefined {
  const id = typeof parameters === 'object' && parameters !== null && 'company_id' in parameters ? parameters.company_id : undefined
  return typeof id === 'string' ? id : undefined
}
