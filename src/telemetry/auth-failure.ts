/** Names the check that a caller's authentication failed. The log and the metrics have it, the caller does not. */

/** All reasons: no bearer token, a check of the JWT, or too many failures of the caller's address before. */
export const authFailureReasons = [
  'missing', 'malformed', 'algorithm', 'type', 'unknown_key', 'signature', 'issuer', 'audience', 'expired',
  'not_yet_valid', 'too_old', 'subject', 'too_many_failures',
] as const

export interface AuthFailure {
  reason: typeof authFailureReasons[number]
  /** Key id of the JWT, as its sender named it. */
  kid?: string
  /** The configured value that the JWT does not have. */
  expected?: string
}
