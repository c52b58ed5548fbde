/** Defines the error format of this service (RFC 9457) and its problem codes. Any module may throw a Problem. */
import { Type, type Static } from '@sinclair/typebox'
import { stringEnum } from '../endpoints/string-enum.ts'
import type { AuthFailure } from '../telemetry/auth-failure.ts'

/** Status and title by problem code. When Procore's own status is relayed, it replaces the status of the table. */
export const problemTable = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  malformed_form: { status: 400, title: 'The form is not valid multipart/form-data' },
  malformed_csv: { status: 400, title: 'The file is not valid CSV' },
  bad_request: { status: 400, title: 'The request is not valid HTTP or exceeds a limit' },
  unauthenticated: { status: 401, title: 'The caller is not authenticated' },
  company_not_allowed: { status: 403, title: 'Access to this company is not allowed' },
  operation_not_allowed: { status: 403, title: 'The scope of the caller does not include this operation' },
  template_not_allowed: { status: 403, title: 'This permission template may not be assigned' },
  origin_not_allowed: { status: 403, title: 'The page or the host name of the request is not allowed' },
  not_found: { status: 404, title: 'The route or the file does not exist' },
  method_not_allowed: { status: 405, title: 'The route does not support this method' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  idempotency_in_progress: { status: 409, title: 'A request with this idempotency key is still in progress' },
  import_in_progress: { status: 409, title: 'Another import into this company is in progress' },
  body_too_large: { status: 413, title: 'The body is too large' },
  avatar_too_large: { status: 413, title: 'The avatar is too large' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  avatar_type: { status: 415, title: 'The avatar is not an image of a supported type' },
  validation_failed: { status: 422, title: 'The request is not valid' },
  idempotency_key_reused: { status: 422, title: 'This idempotency key was used for another request' },
  procore_rate_limited: { status: 429, title: 'The rate limit of Procore is exhausted' },
  too_many_requests: { status: 429, title: 'The caller sends too many requests' },
  procore_rejected: { status: 422, title: 'Procore rejected the request' },
  internal: { status: 500, title: 'An unexpected error occurred in this service' },
  procore_unreachable: { status: 502, title: 'Procore could not be reached' },
  procore_unauthorized: { status: 502, title: 'Procore does not accept the credentials of this service' },
  procore_bad_response: { status: 502, title: 'Procore sent a response that cannot be used' },
  procore_unavailable: { status: 503, title: 'Procore is not available' },
  identity_unavailable: { status: 503, title: 'Callers cannot be verified' },
  overloaded: { status: 503, title: 'This service has reached a limit' },
  stopping: { status: 503, title: 'This service is stopping' },
  procore_timeout: { status: 504, title: 'Procore did not respond in time' },
} as const satisfies Record<string, { status: number, title: string }>

/** Identifies the kind of a failure. Codes are stable; titles and details may change. */
export type ProblemCode = keyof typeof problemTable

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problemTable, code)

/** All problem codes, in the order of the table. */
export const problemCodes: readonly ProblemCode[] = Object.keys(problemTable).filter(isProblemCode)

const ErrorRuleSchema = stringEnum([
  'required', 'type', 'format', 'unknown', 'duplicate', 'dependency', 'size', 'procore',
], { description: 'The rule that the input violates. `procore`: an error that Procore reported.' })
/** The rule that an input violates, for clients with their own messages. `procore`: an error that Procore reported. */
export type ErrorRule = Static<typeof ErrorRuleSchema>

export const FieldErrorSchema = Type.Object({
  in: stringEnum(['path', 'query', 'header', 'body'], { description: 'Part of the request that contains the input.' }),
  pointer: Type.String({ description: 'JSON Pointer (RFC 6901) to the input.' }),
  field: Type.String({ description: 'Name of the input in a multipart form.' }),
  rule: ErrorRuleSchema,
  message: Type.String({ description: 'Message for people.' }),
})
/** One invalid input. */
export type FieldError = Static<typeof FieldErrorSchema>

const OutcomeSchema = stringEnum(['not_sent', 'rejected', 'unknown'], {
  description: 'Outcome of a create that failed. `not_sent`: Procore received no complete request, so it is safe to ' +
    'repeat. `rejected`: Procore rejected the request. `unknown`: Procore may or may not have created the record.',
})
/** Outcome of a create that failed: Procore received no complete request, rejected it, or may have executed it. */
export type Outcome = Static<typeof OutcomeSchema>

const LookupOutcomeSchema = stringEnum(['not_found', 'ambiguous', 'inconclusive'], {
  description: 'What the service found when it looked for the record of a create whose outcome is `unknown`. ' +
    '`not_found`: no record has the values that identify it. `ambiguous`: a record has them, but may be of another ' +
    'request. `inconclusive`: the lookup failed. Absent if nothing was looked up.',
})
/** What a lookup found for a create whose outcome is unknown. */
type LookupOutcome = Static<typeof LookupOutcomeSchema>

const ExistingRecordSchema = Type.Object({
  id: Type.Integer({ description: 'The id of the record in Procore.' }),
  is_active: Type.Boolean({ description: 'Whether it is active. An inactive user can be reactivated.' }),
}, {
  description: 'The record that already has a value which Procore keeps unique. Present if it was found, and if the ' +
    'caller may show it.',
})
/** A record that already has a value which Procore keeps unique. */
export type ExistingRecord = Static<typeof ExistingRecordSchema>

/** Schema of a problem (RFC 9457 §3.1, §3.2). At most 50 field errors are reported. */
export const ProblemSchema = Type.Object({
  type: Type.String({ format: 'uri-reference', description: 'The page that explains the code.' }),
  title: Type.String({ description: 'The same text for every problem with the code.' }),
  status: Type.Integer({ description: 'The status of the response.' }),
  detail: Type.String({ description: 'What is wrong with this request.' }),
  code: stringEnum(problemCodes, { description: 'The kind of problem, for programs.' }),
  request_id: Type.String({ description: 'The id of the request, also in the logs of the service.' }),
  errors: Type.Optional(Type.Array(FieldErrorSchema, { maxItems: 50, description: 'All invalid inputs, at most 50.' })),
  outcome: Type.Optional(OutcomeSchema),
  lookup: Type.Optional(LookupOutcomeSchema),
  procore: Type.Optional(Type.Object({ status: Type.Integer(), body: Type.Optional(Type.Unknown()) }, {
    description: 'The status and the body of Procore\'s response, if Procore rejected the request.',
  })),
  existing: Type.Optional(ExistingRecordSchema),
})

/** Optional data of a problem. */
export interface ProblemExtras {
  /** Replaces the status of the table: Procore's own status, or 414 and 431 of `bad_request`. */
  status?: number
  errors?: readonly FieldError[]
  outcome?: Outcome
  lookup?: LookupOutcome
  procore?: { status: number, body?: unknown }
  existing?: ExistingRecord
  /** Response headers; names in lower case. */
  headers?: Record<string, string>
  /** Monotonic time at which a create with an unknown outcome was sent. Used by a later lookup, never reported. */
  sentAtMs?: number
  /** When Procore answered such a create. */
  answeredAtMs?: number | undefined
  /** Why the caller was not authenticated. Logged, never reported. */
  authFailure?: AuthFailure
  cause?: unknown
}

/** A failure as reported to the caller. `message` is the `detail`; it must not contain personal data or credentials. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly status: number
  readonly extras: ProblemExtras

  constructor (code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause })
    this.code = code
    this.status = extras.status ?? problemTable[code].status
    this.extras = extras
  }

  /** Returns a copy without the outcome, for requests that change nothing. */
  withoutOutcome (): Problem {
    const { outcome: _, ...extras } = this.extras
    return new Problem(this.code, this.message, extras)
  }

  /** Returns a copy with additional data and, if given, one more sentence. */
  withExtras (extras: ProblemExtras, additionalDetail?: string): Problem {
    const detail = additionalDetail === undefined ? this.message : `${this.message} ${additionalDetail}`
    return new Problem(this.code, detail, { ...this.extras, ...extras })
  }
}

/** RFC 9457 §3. JSON is always UTF-8 (RFC 8259 §8.1); the charset is for clients that do not know that. */
export const problemMediaType = 'application/problem+json; charset=utf-8'

/** Serializes a problem as a response body (RFC 9457 §3.1). Members that do not apply are omitted. */
export function problemBody (problem: Problem, requestId: string): string {
  const { errors, outcome, lookup, procore, existing } = problem.extras
  return JSON.stringify({
    type: `/docs/problems#${problem.code}`,
    title: problemTable[problem.code].title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    request_id: requestId,
    errors,
    outcome,
    lookup,
    procore,
    existing,
  })
}

/** Creates the problem for a limit of this service that is reached, with Retry-After. */
export function overloadedProblem (
  detail: string,
  { outcome, retryAfterSeconds = 1 }: { outcome?: Outcome, retryAfterSeconds?: number } = {}
): Problem {
  return new Problem('overloaded', detail, {
    ...(outcome !== undefined && { outcome }),
    headers: { 'retry-after': String(retryAfterSeconds) },
  })
}

/** Returns the `Retry-After` header of a problem (RFC 9110 §10.2.3); none for a wait of 0. */
export function retryAfterExtras (waitMs: number): Pick<ProblemExtras, 'headers'> {
  return waitMs > 0 ? { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } } : {}
}

/** Returns the wait that the `Retry-After` of a problem asks for; 0 if there is none. */
export function getRetryAfterMs ({ extras }: Problem): number {
  return Number(extras.headers?.['retry-after'] ?? 0) * 1000
}
