/**
 * Who a caller is, by its bearer token (RFC 6750): a JWT that is verified with the issuer's keys, and not verified again for a while.
 * Why a token is not taken is never told beyond the error codes of RFC 6750 §3.1.
 */
import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { limits } from '../config/limits.ts'
import { evictOldest } from '../util/evict-oldest.ts'
import { Problem } from '../server/problem.ts'
import type { JwtConfig } from '../config/parse-env.ts'
import type { JwksCache } from './jwks.ts'

/** What a verified token says of its bearer, and nothing else of it. */
export interface Identity {
  /** `sub` of the token; empty where the network is trusted and nobody is known. */
  readonly subject: string
  /** The companies that this caller may address; nothing: whatever the service may. */
  readonly companies: ReadonlySet<number> | undefined
  /** What its token allows it to do; nothing: everything. */
  readonly scopes: ReadonlySet<string> | undefined
}

/** Everybody, where the network is trusted. */
export const anonymous: Identity = { subject: '', companies: undefined, scopes: undefined }

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1). */
const bearerPattern = /^bearer +([\w.~+/-]+=*) *$/i

/** Remembers `limits.jwt.cacheMax` tokens for `limits.jwt.cacheTtlMs`, and none beyond its `exp`. */
export class JwtAuthenticator {
  readonly #config: JwtConfig
  readonly #jwks: Pick<JwksCache, 'getKey'>
  readonly #verifyOptions: JWTVerifyOptions
  /** By the hash of the token, so that no token is kept; the oldest goes first. */
  readonly #cache = new Map<string, { identity: Identity, expiresAtMs: number }>()

  constructor (config: JwtConfig, jwks: Pick<JwksCache, 'getKey'>) {
    this.#config = config
    this.#jwks = jwks
    this.#verifyOptions = {
      issuer: config.issuer, audience: config.audience, algorithms, clockTolerance: limits.jwt.clockToleranceMs / 1000, requiredClaims: ['exp', 'sub'],
    }
  }

  /** Answers at once for a token that was verified lately. @throws {Problem} `unauthenticated`, `identity_unavailable` */
  authenticate (headers: IncomingHttpHeaders): Identity | Promise<Identity> {
    const jwt = parseBearerJwt(headers.authorization)
    const digest = hash('sha256', jwt, 'base64url')
    const cached = this.#cache.get(digest)
    if (cached !== undefined && cached.expiresAtMs > Date.now()) return cached.identity
    return this.#verify(jwt, digest)
  }

  async #verify (jwt: string, digest: string): Promise<Identity> {
    const { payload } = await jwtVerify(jwt, this.#jwks.getKey, { ...this.#verifyOptions, currentDate: new Date(Date.now()) }).catch(error => { throw toAuthError(error) })
    const { exp = 0 } = payload
    // A claim can be any JSON, whatever its type says.
    const sub: unknown = payload.sub
    if (typeof sub !== 'string' || sub.trim() === '' || sub.length > limits.jwt.subjectMaxLength) throw invalidJwtProblem()
    const identity = this.#toIdentity(sub, payload)
    this.#store(digest, identity, Math.min(Date.now() + limits.jwt.cacheTtlMs, exp * 1000))
    return identity
  }

  #toIdentity (subject: string, payload: JWTPayload): Identity {
    const { companiesClaim, scopePrefix } = this.#config
    return {
      subject,
      companies: companiesClaim === '' ? undefined : parseCompaniesClaim(Object.hasOwn(payload, companiesClaim) ? payload[companiesClaim] : undefined),
      scopes: scopePrefix === '' ? undefined : parseScopeClaim(payload['scope']),
    }
  }

  #store (digest: string, identity: Identity, expiresAtMs: number): void {
    this.#cache.delete(digest)
    this.#cache.set(digest, { identity, expiresAtMs })
    evictOldest(this.#cache, () => this.#cache.size / limits.jwt.cacheMax, oldest => this.#cache.delete(oldest))
  }
}

function parseBearerJwt (authorization: string | undefined): string {
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) throw unauthenticatedProblem('A bearer token is required.', 'Bearer')
  const jwt = bearerPattern.exec(authorization)?.[1]
  if (jwt === undefined) throw invalidJwtProblem()
  return jwt
}

function toAuthError (error: unknown): unknown {
  // An error of jose's is a fault of the token; what else went wrong is not the caller's.
  return error instanceof errors.JOSEError || error instanceof TypeError ? invalidJwtProblem() : error
}

const invalidJwtProblem = () => unauthenticatedProblem('The bearer token is not valid.', 'Bearer error="invalid_token"')

const unauthenticatedProblem = (detail: string, challenge: string) => new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge } })

/** Reads claims of a verified token, which can be any JSON: what is not of an expected form allows nothing. */

/** Numbers, numeric strings, a list of both, or one string of them with spaces or commas between. */
export function parseCompaniesClaim (claim: unknown): ReadonlySet<number> {
  const items = typeof claim === 'string' ? claim.split(/[\s,]+/) : Array.isArray(claim) ? claim : [claim]
  return new Set(items.map(parseCompanyId).filter(id => id !== undefined))
}

function parseCompanyId (item: unknown): number | undefined {
  const id = typeof item === 'number' ? item : typeof item === 'string' && /^\d{1,16}$/.test(item) ? Number(item) : NaN
  return Number.isSafeInteger(id) && id >= 1 ? id : undefined
}

/** RFC 8693 §4.2: one string with spaces between; some issuers send a list. */
export function parseScopeClaim (claim: unknown): ReadonlySet<string> {
  const items: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  return new Set(items.filter((item): item is string => typeof item === 'string' && item !== ''))
}
