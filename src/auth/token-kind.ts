/**
 * Tells access tokens from other JWTs of the same issuer (RFC 8725 §3.11, §3.12): an ID token or a logout token proves
 * no permission to call this service, and a sender-constrained token must not be accepted without its proof.
 */
import type { JWTPayload } from 'jose'
import { normalizeMediaType } from '../util/media-type.ts'

/** Whether the header `typ` is accepted. An absent one counts as `JWT`. */
export function isAcceptedType (type: unknown, types: ReadonlySet<string>): boolean {
  return typeof type === 'string' ? types.has(normalizeMediaType(type)) : type === undefined && types.has('jwt')
}

/**
 * Claims of other tokens: hashes of an ID token (OpenID Connect Core §3.3.2.11), the events of a logout token
 * (Back-Channel Logout §2.4), and the confirmation of a token that is bound to a key by DPoP or mTLS (RFC 7800 §3).
 */
const foreignClaims = ['at_hash', 'c_hash', 'events', 'cnf']

/** Keycloak names the kind of a token in the payload. */
const foreignTypes = new Set(['id', 'refresh', 'logout'])

/** Whether the claims are those of a bearer access token. */
export function isBearerAccessToken (payload: JWTPayload): boolean {
  if (foreignClaims.some(claim => Object.hasOwn(payload, claim))) return false
  // Amazon Cognito
  if (payload['token_use'] === 'id') return false
  const type: unknown = payload['typ']
  if (typeof type === 'string' && foreignTypes.has(type.toLowerCase())) return false
  // Access tokens of Keycloak have a nonce as well, but always a scope.
  return !Object.hasOwn(payload, 'nonce') || Object.hasOwn(payload, 'scope') || Object.hasOwn(payload, 'scp')
}

/** Whether the claim, a string or a list of strings, contains the audience (RFC 7519 §4.1.3). */
export function hasAudience (payload: JWTPayload, claim: string, audience: string): boolean {
  const value: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined
  return value === audience || (Array.isArray(value) && value.includes(audience))
}
