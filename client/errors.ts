/** The failures that a call throws: a problem that the service reported, or the lack of a usable response. */
import type { FieldError, FieldName, LookupOutcome, Outcome, Problem, ProblemCode } from './operation.ts'

/** The errors of each field that has any. */
export type ErrorsByField = { readonly [Field in FieldName]?: readonly FieldError[] }

abstract class CallError extends Error {
  /** What became of a create. Undefined if nothing was sent to Procore at all. */
  abstract readonly outcome: Outcome | undefined
  /** How often the request was sent. */
  attempts = 1
  /** The idempotency key of a create. Sending again with it creates no second user, whatever the outcome was. */
  idempotencyKey: string | undefined
}

/** A problem (RFC 9457) of the service or its gateway. `message` is its `detail`. */
export class ProblemError extends CallError {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  readonly detail: string
  override readonly outcome: Outcome | undefined
  /** What the service found when it looked for the user of a create whose outcome is `unknown`. */
  readonly lookup: LookupOutcome | undefined
  readonly requestId: string
  readonly retryAfterMs: number | undefined
  /** All invalid inputs, whether the service or Procore found them. */
  readonly errors: readonly FieldError[]
  /** Procore's own response, if Procore rejected the request. */
  readonly procore: Problem['procore']
  /**
   * The user because of whom Procore rejected a create: the user has the same e-mail address or `origin_id`. Undefined
   * if there is none, or if the service could not find out.
   */
  readonly existing: Problem['existing']
  /** The problem as received. */
  readonly problem: Problem

  constructor (problem: Problem, retryAfterMs?: number) {
    super(problem.detail)
    this.problem = problem
    this.code = problem.code
    this.status = problem.status
    this.title = problem.title
    this.detail = problem.detail
    this.outcome = problem.outcome
    this.lookup = problem.lookup
    this.requestId = problem.request_id
    this.retryAfterMs = retryAfterMs
    this.errors = problem.errors ?? []
    this.procore = problem.procore
    this.existing = problem.existing
  }

  /** Returns the errors of one body field. A problem about the avatar as a whole counts as an error of `avatar`. */
  errorsFor (field: FieldName): readonly FieldError[] {
    return this.errorsByField[field] ?? []
  }

  /** The errors of the body fields, grouped by field. A problem about the avatar as a whole is one of `avatar`. */
  get errorsByField (): ErrorsByField {
    const groups = new Map<FieldName, readonly FieldError[]>()
    for (const error of this.errors) {
      const field = getFieldName(error)
      if (field !== undefined) groups.set(field, [...groups.get(field) ?? [], error])
    }
    const rule = avatarRules[this.code]
    if (rule !== undefined && !groups.has('avatar')) {
      groups.set('avatar', [{ in: 'body', pointer: '/user/avatar', field: 'user[avatar]', rule, message: this.detail }])
    }
    return Object.fromEntries(groups)
  }

  /** The errors that belong to no field: those of the body as a whole, of the path and of the query. */
  get otherErrors (): readonly FieldError[] {
    return this.errors.filter(error => getFieldName(error) === undefined)
  }
}

function getFieldName ({ in: part, pointer }: FieldError): FieldName | undefined {
  const [, , field] = pointer.split('/')
  return part === 'body' && isFieldName(field) ? field : undefined
}

/**
 * The client has no list of the fields: it trusts the service to name those of its OpenAPI document. A number is the
 * position of a record in a list, whose errors are about no field of a form.
 */
const isFieldName = (field: string | undefined): field is FieldName => field !== undefined && !/^\d*$/.test(field)

const avatarRules: Partial<Record<ProblemCode, FieldError['rule']>> = { avatar_too_large: 'size', avatar_type: 'type' }

/**
 * Why there is no usable response: the connection was lost or never made, the call timed out, the response does not
 * come from the service, or the response of an import ended before its last line.
 */
export type NetworkReason = 'connection' | 'timeout' | 'response' | 'incomplete'

export class NetworkError extends CallError {
  override readonly name = 'NetworkError'
  readonly reason: NetworkReason
  /** The status of a response that does not come from the service. */
  readonly status: number | undefined
  /**
   * The outcome of a create or change is not known. It is safe to send it again only with the same idempotency key.
   * Undefined for a request that changes nothing.
   */
  override outcome: 'unknown' | undefined = 'unknown'

  constructor (reason: NetworkReason, { cause, status }: { cause?: unknown, status?: number } = {}) {
    super(messages[reason], { cause })
    this.reason = reason
    this.status = status
  }
}

const messages: Record<NetworkReason, string> = {
  connection: 'The connection to the service was lost or could not be made.',
  timeout: 'The service did not respond in time.',
  response: 'The response does not come from the service.',
  incomplete: 'The response ended before its last line. Send the same file with the same idempotency key to resume.',
}

export type Failure = ProblemError | NetworkError

export function isFailure (error: unknown): error is Failure {
  return error instanceof ProblemError || error instanceof NetworkError
}
