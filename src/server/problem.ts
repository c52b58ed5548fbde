/**
 * The one error shape of this service (RFC 9457) and the table of its codes.
 * It knows nothing of HTTP servers or of Procore: a Problem is thrown anywhere and written in one place.
 */
import { Type, type Static } from '@sinclair/typebox'
import { stringEnum } from '../endpoints/string-enum.ts'

/** Every code with the status it has unless Procore's own status is passed on, and its title. */
export const problemTable = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  malformed_form: { status: 400, title: 'The form is not valid multipart/form-data' },
  bad_request: { status: 400, title: 'The request is not valid HTTP or breaks a limit' },
  unauthenticated: { status: 401, title: 'The caller is not authenticated' },
  company_not_allowed: { status: 403, title: 'This company may not be addressed' },
  operation_not_allowed: { status: 403, title: 'This operation is not in the scope of the caller' },
  template_not_allowed: { status: 403, title: 'This permission template may not be given' },
  not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The route does not have this method' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  idempotency_in_progress: { status: 409, title: 'A request with this key is still running' },
  body_too_large: { status: 413, title: 'The body is too large' },
  avatar_too_large: { status: 413, title: 'The avatar is too large' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  avatar_type: { status: 415, title: 'The avatar is no image of a supported type' },
  validation_failed: { status: 422, title: 'The request has faults' },
  idempotency_key_reused: { status: 422, title: 'This key was used for another request' },
  procore_rate_limited: { status: 429, title: 'The allowance of requests to Procore is spent' },
  too_many_requests: { status: 429, title: 'Too many requests of one caller' },
  procore_rejected: { status: 422, title: 'Procore refused the request' },
  internal: { status: 500, title: 'Something went wrong here' },
  procore_unreachable: { status: 502, title: 'Procore could not be reached' },
  procore_unauthorized: { status: 502, title: 'Procore does not accept the credentials of this service' },
  procore_bad_response: { status: 502, title: 'Procore gave an answer that cannot be used' },
  procore_unavailable: { status: 503, title: 'Procore is not available' },
  identity_unavailable: { status: 503, title: 'Callers cannot be verified' },
  overloaded: { status: 503, title: 'This service is at a limit' },
  stopping: { status: 503, title: 'This service is stopping' },
  procore_timeout: { status: 504, title: 'Procore did not answer in time' },
} as const satisfies Record<string, { status: number, title: string }>

/** What a caller tells failures apart by: a code stays what it is, whatever its words become. */
export type ProblemCode = keyof typeof problemTable

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problemTable, code)

/** All codes, in the order of the table. */
export const problemCodes: readonly ProblemCode[] = Object.keys(problemTable).filter(isProblemCode)

const ErrorRuleSchema = stringEnum(['required', 'type', 'format', 'unknown', 'duplicate', 'dependency', 'size', 'procore'])
/** What an input broke, for programs that show faults in their own words; `procore` is whatever Procore found. */
export type ErrorRule = Static<typeof ErrorRuleSchema>

const FieldErrorSchema = Type.Object({
  in: stringEnum(['path', 'query', 'header', 'body'], { description: 'The part of the request that the pointer is into.' }),
  pointer: Type.String({ description: 'JSON Pointer (RFC 6901) of the input.' }),
  field: Type.String({ description: 'The input as a form names it.' }),
  rule: ErrorRuleSchema,
  message: Type.String({ description: 'A sentence for a person.' }),
})
/** One faulty input. */
export type FieldError = Static<typeof FieldErrorSchema>

const OutcomeSchema = stringEnum(['not_sent', 'rejected', 'unknown'], { description: 'What became of a create that failed: nothing complete left here and it is safe to repeat, Procore refused it, or nobody can tell.' })
/** What became of a create that failed: nothing complete left here, Procore refused it, or nobody can tell. */
export type Outcome = Static<typeof OutcomeSchema>

/** The body of a problem as the document has it (RFC 9457 §3.1, §3.2); at most 50 faults are told. */
export const ProblemSchema = Type.Object({
  type: Type.String({ format: 'uri' }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: stringEnum(problemCodes),
  request_id: Type.String(),
  errors: Type.Optional(Type.Array(FieldErrorSchema, { maxItems: 50 })),
  outcome: Type.Optional(OutcomeSchema),
  procore: Type.Optional(Type.Object({ status: Type.Integer(), body: Type.Optional(Type.Unknown()) })),
})

/** What some problems have beside code and words. */
export interface ProblemExtras {
  /** Instead of the status of the table: Procore's own, or 414 and 431 of `bad_request`. */
  status?: number
  errors?: readonly FieldError[]
  outcome?: Outcome
  procore?: { status: number, body?: unknown }
  /** Response headers in lower case. */
  headers?: Record<string, string>
  /** When a create with an unknown outcome was sent, by our own clock; for a later look-up, never told. */
  sentAtMs?: number
  cause?: unknown
}

/** A failure as the caller is told it. `message` is the `detail`: it must hold no personal data and no credential. */
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

  /** The same failure of a request that changes nothing, of which there is nothing to tell but that it failed. */
  withoutOutcome (): Problem {
    const { outcome: _, ...extras } = this.extras
    return new Problem(this.code, this.message, extras)
  }

  /** The same failure with more known of it. */
  withExtras (extras: ProblemExtras, additionalDetail?: string): Problem {
    return new Problem(this.code, additionalDetail === undefined ? this.message : `${this.message} ${additionalDetail}`, { ...this.extras, ...extras })
  }
}

/** RFC 9457 §3; JSON is UTF-8 anyway, which some clients do not know. */
export const problemMediaType = 'application/problem+json; charset=utf-8'

/** The body of a problem answer (RFC 9457 §3.1); members that do not apply are left out. */
export function problemBody (problem: Problem, requestId: string): string {
  const { errors, outcome, procore } = problem.extras
  return JSON.stringify({
    type: `urn:problem-type:procore-bff:${problem.code}`,
    title: problemTable[problem.code].title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    request_id: requestId,
    errors,
    outcome,
    procore,
  })
}

/** A limit of this service is met; whoever comes back after the seconds that it says may find room. */
export function overloadedProblem (detail: string, { outcome, retryAfterSeconds = 1 }: { outcome?: Outcome, retryAfterSeconds?: number } = {}): Problem {
  return new Problem('overloaded', detail, { ...(outcome !== undefined && { outcome }), headers: { 'retry-after': String(retryAfterSeconds) } })
}
