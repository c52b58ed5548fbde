/**
 * Authenticates callers by bearer token (RFC 6750): a JWT that is verified with the issuer's keys and then cached. The
 * reason for a rejection is not reported beyond the error codes of RFC 6750 §3.1.
 */
import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { JwtConfig } from '../config/parse-env.ts'
import type { JwksCache } from './jwks.ts'

/** The caller, as identified by a verified JWT. */
export interface Identity {
  /** The `sub` claim; empty when callers are not verified. */
  readonly subject: string
  /** Companies that the caller may access; undefined: all companies that the service may access. */
  readonly companies: ReadonlySet<number> | undefined
  /** Scopes of the JWT; undefined: every operation is allowed. */
  readonly scopes: ReadonlySet<string> | undefined
}

/** Identity of every caller when callers are not verified. */
export const anonymous: Identity = { subject: '', companies: undefined, scopes: undefined }

const algorithms = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519',
]

/** RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1). */
const bearerPattern = /^bearer +([\w.~+/-]+=*) *$/i

/**
 * Verifies JWTs and caches `limits.jwt.cacheMax` of them for `limits.jwt.cacheTtlMs`, none beyond its `exp`. The least
 * recently used is evicted first.
 */
export class JwtAuthenticator {
  readonly #config: JwtConfig
  readonly #jwks: Pick<JwksCache, 'getKey'>
  readonly #verifyOptions: JWTVerifyOptions
  /** Identities by hash of the JWT, so that no JWT is stored. The clock is that of `exp`. */
  readonly #cache = new LRUCache<string, Identity>({ max: limits.jwt.cacheMax, perf: Date, ttlResolution: 0 })

  constructor (config: JwtConfig, jwks: Pick<JwksCache, 'getKey'>) {
    this.#config = config
    this.#jwks = jwks
    this.#verifyOptions = {
      issuer: config.issuer,
      audience: config.audience,
      algorithms,
      clockTolerance: limits.jwt.clockToleranceMs / 1000,
      requiredClaims: ['exp', 'sub'],
    }
  }

  /**
   * Returns the caller's identity, synchronously if it is cached.
   * @throws {Problem} `unauthenticated`, `identity_unavailable`
   */
  authenticate (headers: IncomingHttpHeaders): Identity | Promise<Identity> {
    const jwt = parseBearerJwt(headers.authorization)
    const digest = hash('sha256', jwt, 'base64url')
    return this.#cache.get(digest) ?? this.#verify(jwt, digest)
  }

  async #verify (jwt: string, digest: string): Promise<Identity> {
    const options = { ...this.#verifyOptions, currentDate: new Date(Date.now()) }
    const { payload } = await jwtVerify(jwt, this.#jwks.getKey, options)
      .catch((error: unknown) => { throw toAuthError(error) })
    const { exp = 0 } = payload
    // jose types `sub` as a string but does not check it; the claim can be any JSON.
    const sub: unknown = payload.sub
    if (typeof sub !== 'string' || sub.trim() === '' || sub.length > limits.jwt.subjectMaxLength) {
      throw invalidJwtProblem()
    }
    const identity = this.#toIdentity(sub, payload)
    const ttl = Math.min(limits.jwt.cacheTtlMs, Math.floor(exp * 1000 - Date.now()))
    // A JWT may be past its `exp` by the clock tolerance. lru-cache takes a TTL of 0 as none.
    if (ttl > 0) this.#cache.set(digest, identity, { ttl })
    return identity
  }

  #toIdentity (subject: string, payload: JWTPayload): Identity {
    const { companiesClaim, scopePrefix } = this.#config
    // The name of the claim is configurable, so `constructor` and the like must not be read from the prototype.
    const companies = Object.hasOwn(payload, companiesClaim) ? payload[companiesClaim] : undefined
    return {
      subject,
      companies: companiesClaim === '' ? undefined : parseCompaniesClaim(companies),
      scopes: scopePrefix === '' ? undefined : parseScopeClaim(payload['scope']),
    }
  }
}

function parseBearerJwt (authorization: string | undefined): string {
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) {
    throw unauthenticatedProblem('A bearer token is required.', 'Bearer')
  }
  const jwt = bearerPattern.exec(authorization)?.[1]
  if (jwt === undefined) throw invalidJwtProblem()
  return jwt
}

function toAuthError (error: unknown): unknown {
  // jose's own errors mean an invalid JWT. Other errors, such as an unavailable issuer, are not the caller's fault.
  return error instanceof errors.JOSEError || error instanceof TypeError ? invalidJwtProblem() : error
}

const invalidJwtProblem = () =>
  unauthenticatedProblem('The bearer token is not valid.', 'Bearer error="invalid_token"')

const unauthenticatedProblem = (detail: string, challenge: string) =>
  new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge } })

// The claims of a verified JWT can be any JSON. Values of an unexpected type allow nothing.

/** Parses a number, a numeric string, a list of both, or a string of numbers separated by spaces or commas. */
export function parseCompaniesClaim (claim: unknown): ReadonlySet<number> {
  const items: unknown[] = typeof claim === 'string' ? claim.split(/[\s,]+/) : Array.isArray(claim) ? claim : [claim]
  return new Set(items.map(parseCompanyId).filter(id => id !== undefined))
}

function parseCompanyId (item: unknown): number | undefined {
  const id = typeof item === 'number' ? item : typeof item === 'string' && /^\d{1,16}$/.test(item) ? Number(item) : NaN
  return Number.isSafeInteger(id) && id >= 1 ? id : undefined
}

/** Parses a string of scopes separated by spaces (RFC 8693 §4.2), or a list of scopes, which some issuers send. */
export function parseScopeClaim (claim: unknown): ReadonlySet<string> {
  const items: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  return new Set(items.filter((item): item is string => typeof item === 'string' && item !== ''))
}
