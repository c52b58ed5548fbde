/**
 * Authenticates callers by bearer token (RFC 6750): a JWT that is verified with the issuer's keys and then cached. The
 * caller learns no reason for a rejection beyond the error codes of RFC 6750 §3.1; the log names the check that failed.
 */
import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import {
  decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions, type ProtectedHeaderParameters,
} from 'jose'
import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { JwtConfig } from '../config/parse-env.ts'
import type { AuthFailure } from '../telemetry/auth-failure.ts'
import { AddressFailures } from './address-failures.ts'
import type { IssuerKey, JwksCache } from './jwks.ts'
import { hasAudience, isAcceptedType, isBearerAccessToken } from './token-kind.ts'

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

/** A verified JWT and the key that verified it. */
interface VerifiedJwt {
  identity: Identity
  key: IssuerKey
  verifiedAtMs: number
}

/** The claims of a JWT whose signature is valid. */
interface KeyedPayload {
  payload: JWTPayload
  key: IssuerKey
}

/**
 * Verifies JWTs and caches `limits.jwt.cacheMax` of them for `limits.jwt.cacheTtlMs`, none beyond its `exp`, and none
 * whose key is gone. The least recently used is evicted first.
 */
export class JwtAuthenticator {
  readonly #config: JwtConfig
  readonly #jwks: JwksCache
  readonly #verifyOptions: JWTVerifyOptions
  readonly #failures = new AddressFailures()
  /** By hash of the JWT, so that no JWT is stored. The clock is that of `exp`. */
  readonly #verified = new LRUCache<string, VerifiedJwt>({ max: limits.jwt.cacheMax, perf: Date, ttlResolution: 0 })

  constructor (config: JwtConfig, jwks: JwksCache) {
    this.#config = config
    this.#jwks = jwks
    this.#verifyOptions = {
      issuer: config.issuer,
      algorithms,
      clockTolerance: limits.jwt.clockToleranceMs / 1000,
      requiredClaims: ['exp', 'sub'],
      ...(config.maxAgeSeconds !== undefined && { maxTokenAge: config.maxAgeSeconds }),
    }
  }

  /**
   * Returns the caller's identity, synchronously if it is cached.
   * @param getAddress returns the caller's address; undefined if it is not known
   * @throws {Problem} `unauthenticated`, `too_many_requests`, `identity_unavailable`
   */
  authenticate (headers: IncomingHttpHeaders, getAddress: () => string | undefined): Identity | Promise<Identity> {
    const jwt = parseBearerJwt(headers.authorization)
    const digest = hash('sha256', jwt, 'base64url')
    const verified = this.#verified.get(digest)
    if (verified === undefined) return this.#verifyUnknown(jwt, digest, getAddress())
    const isFresh = performance.now() - verified.verifiedAtMs < limits.jwt.cacheTtlMs
    return isFresh && this.#jwks.isCurrent(verified.key) ? verified.identity : this.#verify(jwt, digest)
  }

  /** Limits the failures of an address. A JWT that was verified before is verified again without this limit. */
  async #verifyUnknown (jwt: string, digest: string, address: string | undefined): Promise<Identity> {
    if (address === undefined) return this.#verify(jwt, digest)
    const retryAfterSeconds = this.#failures.retryAfterSeconds(address)
    if (retryAfterSeconds > 0) throw tooManyFailuresProblem(retryAfterSeconds)
    try {
      return await this.#verify(jwt, digest)
    } catch (error) {
      if (error instanceof Problem && error.code === 'unauthenticated') this.#failures.add(address)
      throw error
    }
  }

  async #verify (jwt: string, digest: string): Promise<Identity> {
    const header = parseHeader(jwt)
    const { types } = this.#config
    if (!isAcceptedType(header.typ, types)) throw invalidJwtProblem('type', header, [...types].join(', '))
    const { payload, key } = await this.#verifySignature(jwt, header)
    const identity = this.#toIdentity(this.#checkClaims(payload, header), payload)
    const ttl = Math.floor((payload.exp ?? 0) * 1000 - Date.now())
    // A JWT may be past its `exp` by the clock tolerance. lru-cache takes a TTL of 0 as none.
    if (ttl > 0) this.#verified.set(digest, { identity, key, verifiedAtMs: performance.now() }, { ttl })
    return identity
  }

  async #verifySignature (jwt: string, header: ProtectedHeaderParameters): Promise<KeyedPayload> {
    if (header.alg === undefined || !algorithms.includes(header.alg)) throw invalidJwtProblem('algorithm', header)
    const tried = new Set<IssuerKey>()
    const verified = await this.#tryKeys(jwt, header, header.alg, tried)
    if (verified !== undefined) return verified
    // The issuer may have published a new key since the last fetch, possibly under the same id.
    if (await this.#jwks.refresh()) {
      const verifiedByNewKey = await this.#tryKeys(jwt, header, header.alg, tried)
      if (verifiedByNewKey !== undefined) return verifiedByNewKey
    }
    if (tried.size > 0) throw invalidJwtProblem('signature', header)
    // While the issuer is down, the JWT may be signed with a new key, so it cannot be rejected as invalid.
    if (!this.#jwks.status.isUp) throw this.#jwks.unavailableProblem()
    throw invalidJwtProblem('unknown_key', header)
  }

  /** Tries every key that may have signed the JWT. @param tried receives the keys that did not sign it */
  async #tryKeys (
    jwt: string, header: ProtectedHeaderParameters, algorithm: string, tried: Set<IssuerKey>
  ): Promise<KeyedPayload | undefined> {
    const options = { ...this.#verifyOptions, currentDate: new Date(Date.now()) }
    for (const key of await this.#jwks.findKeys(header.kid)) {
      if (tried.has(key)) continue
      // A key of another type or for another use cannot be imported for this algorithm.
      const cryptoKey = await key.import(algorithm).catch(() => undefined)
      if (cryptoKey === undefined) continue
      try {
        const { payload } = await jwtVerify(jwt, cryptoKey, options)
        return { payload, key }
      } catch (error) {
        // jose throws a TypeError for a key that is too short.
        const isOtherKey = error instanceof errors.JWSSignatureVerificationFailed || error instanceof TypeError
        if (!isOtherKey) throw this.#toProblem(error, header)
        tried.add(key)
      }
    }
    return undefined
  }

  /** Checks the claims that jose does not check, and returns the subject. */
  #checkClaims (payload: JWTPayload, header: ProtectedHeaderParameters): string {
    const { audience, audienceClaim } = this.#config
    if (!hasAudience(payload, audienceClaim, audience)) throw invalidJwtProblem('audience', header, audience)
    if (!isBearerAccessToken(payload)) throw invalidJwtProblem('type', header, 'a bearer access token')
    // jose types `sub` as a string but does not check it; the claim can be any JSON.
    const sub: unknown = payload.sub
    if (typeof sub !== 'string' || sub.trim() === '' || sub.length > limits.jwt.subjectMaxLength) {
      throw invalidJwtProblem('subject', header)
    }
    return sub
  }

  /** jose's own errors mean an invalid JWT. Other errors are not the caller's fault. */
  #toProblem (error: unknown, header: ProtectedHeaderParameters): unknown {
    if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
      const reason = reasonsByClaim.get(error.claim) ?? 'malformed'
      return invalidJwtProblem(reason, header, reason === 'issuer' ? this.#config.issuer : undefined)
    }
    return error instanceof errors.JOSEError ? invalidJwtProblem('malformed', header) : error
  }

  #toIdentity (subject: string, payload: JWTPayload): Identity {
    const { companiesClaim, scopePrefix } = this.#config
    // The name of the claim is configurable, so `constructor` and the like must not be read from the prototype.
    const companies = Object.hasOwn(payload, companiesClaim) ? payload[companiesClaim] : undefined
    return {
      subject,
      companies: companiesClaim === '' ? undefined : parseCompaniesClaim(companies),
      scopes: scopePrefix === '' ? undefined : parseScopeClaim(payload['scope'] ?? payload['scp']),
    }
  }
}

function parseBearerJwt (authorization: string | undefined): string {
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) {
    throw unauthenticatedProblem('A bearer token is required.', 'Bearer', { reason: 'missing' })
  }
  const jwt = bearerPattern.exec(authorization)?.[1]
  if (jwt === undefined) throw invalidJwtProblem('malformed')
  return jwt
}

function parseHeader (jwt: string): ProtectedHeaderParameters {
  try {
    return decodeProtectedHeader(jwt)
  } catch {
    throw invalidJwtProblem('malformed')
  }
}

/** The claims that jose checks. */
const reasonsByClaim: ReadonlyMap<string, AuthFailure['reason']> = new Map([
  ['iss', 'issuer'], ['exp', 'expired'], ['nbf', 'not_yet_valid'], ['iat', 'too_old'], ['sub', 'subject'],
])

function invalidJwtProblem (
  reason: AuthFailure['reason'], { kid }: { kid?: unknown } = {}, expected?: string
): Problem {
  return unauthenticatedProblem('The bearer token is not valid.', 'Bearer error="invalid_token"', {
    reason,
    ...(typeof kid === 'string' && kidPattern.test(kid) && { kid }),
    ...(expected !== undefined && { expected }),
  })
}

/** Key ids that are logged. The sender of a JWT can write anything. */
const kidPattern = /^[\w.:/+=@-]{1,128}$/

const unauthenticatedProblem = (detail: string, challenge: string, authFailure: AuthFailure) =>
  new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge }, authFailure })

const tooManyFailuresProblem = (retryAfterSeconds: number) =>
  new Problem('too_many_requests', 'This address sends too many bearer tokens that are not valid.', {
    headers: { 'retry-after': String(retryAfterSeconds) },
    authFailure: { reason: 'too_many_failures' },
  })

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
