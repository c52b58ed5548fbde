/**
 * Who a caller is, by its bearer token (RFC 6750): a JWT that is verified with the issuer's keys, and not verified again for a while.
 * Why a token is not taken is never told beyond the error codes of RFC 6750 §3.1.
 */
import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { limits } from '../config/limits.ts'
import { forgetOldest } from '../util/evict-oldest.ts'
import { Problem } from '../server/problem.ts'
import type { JwtConfig } from '../config/parse-env.ts'
import type { IssuerKeys } from './jwks.ts'

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
export const anybody: Identity = { subject: '', companies: undefined, scopes: undefined }

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1). */
const bearer = /^bearer +([\w.~+/-]+=*) *$/i

/** Remembers `limits.jwt.cacheMax` tokens for `limits.jwt.cacheTtlMs`, and none beyond its `exp`. */
export class Identities {
  readonly #config: JwtConfig
  readonly #keys: Pick<IssuerKeys, 'find'>
  readonly #options: JWTVerifyOptions
  /** By the hash of the token, so that no token is kept; the oldest goes first. */
  readonly #known = new Map<string, { identity: Identity, untilMs: number }>()

  constructor (config: JwtConfig, keys: Pick<IssuerKeys, 'find'>) {
    this.#config = config
    this.#keys = keys
    this.#options = {
      issuer: config.issuer, audience: config.audience, algorithms, clockTolerance: limits.jwt.clockToleranceMs / 1000, requiredClaims: ['exp', 'sub'],
    }
  }

  /** Answers at once for a token that was verified lately. @throws {Problem} `unauthenticated`, `identity_unavailable` */
  identify (headers: IncomingHttpHeaders): Identity | Promise<Identity> {
    const token = readToken(headers.authorization)
    const digest = hash('sha256', token, 'base64url')
    const known = this.#known.get(digest)
    if (known !== undefined && known.untilMs > Date.now()) return known.identity
    return this.#verify(token, digest)
  }

  async #verify (token: string, digest: string): Promise<Identity> {
    const { payload } = await jwtVerify(token, this.#keys.find, { ...this.#options, currentDate: new Date(Date.now()) }).catch(error => { throw describe(error) })
    const { exp = 0 } = payload
    // A claim can be any JSON, whatever its type says.
    const sub: unknown = payload.sub
    if (typeof sub !== 'string' || sub.trim() === '' || sub.length > limits.jwt.subjectMaxLength) throw invalidToken()
    const identity = this.#read(sub, payload)
    this.#remember(digest, identity, Math.min(Date.now() + limits.jwt.cacheTtlMs, exp * 1000))
    return identity
  }

  #read (subject: string, payload: JWTPayload): Identity {
    const { companiesClaim, scopePrefix } = this.#config
    return {
      subject,
      companies: companiesClaim === '' ? undefined : readCompanies(Object.hasOwn(payload, companiesClaim) ? payload[companiesClaim] : undefined),
      scopes: scopePrefix === '' ? undefined : readScopes(payload['scope']),
    }
  }

  #remember (digest: string, identity: Identity, untilMs: number): void {
    this.#known.delete(digest)
    this.#known.set(digest, { identity, untilMs })
    forgetOldest(this.#known, () => this.#known.size / limits.jwt.cacheMax, oldest => this.#known.delete(oldest))
  }
}

function readToken (authorization: string | undefined): string {
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) throw unauthenticated('A bearer token is required.', 'Bearer')
  const token = bearer.exec(authorization)?.[1]
  if (token === undefined) throw invalidToken()
  return token
}

function describe (error: unknown): unknown {
  // An error of jose's is a fault of the token; what else went wrong is not the caller's.
  return error instanceof errors.JOSEError || error instanceof TypeError ? invalidToken() : error
}

const invalidToken = () => unauthenticated('The bearer token is not valid.', 'Bearer error="invalid_token"')

const unauthenticated = (detail: string, challenge: string) => new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge } })

/** Reads claims of a verified token, which can be any JSON: what is not of an expected form allows nothing. */

/** Numbers, numeric strings, a list of both, or one string of them with spaces or commas between. */
export function readCompanies (claim: unknown): ReadonlySet<number> {
  const items = typeof claim === 'string' ? claim.split(/[\s,]+/) : Array.isArray(claim) ? claim : [claim]
  return new Set(items.map(readCompany).filter(id => id !== undefined))
}

function readCompany (item: unknown): number | undefined {
  const id = typeof item === 'number' ? item : typeof item === 'string' && /^\d{1,16}$/.test(item) ? Number(item) : NaN
  return Number.isSafeInteger(id) && id >= 1 ? id : undefined
}

/** RFC 8693 §4.2: one string with spaces between; some issuers send a list. */
export function readScopes (claim: unknown): ReadonlySet<string> {
  const items: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  return new Set(items.filter((item): item is string => typeof item === 'string' && item !== ''))
}
