/** The failures that a call throws: a problem that the service reported, or the lack of a usable response. */
import type { FieldError, FieldName, Outcome, Problem, ProblemCode } from './operation.ts'

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
    this.requestId = problem.request_id
    this.retryAfterMs = retryAfterMs
    this.errors = problem.errors ?? []
    this.procore = problem.procore
    this.existing = problem.existing
  }

  /** Returns the errors of one body field. A problem about the avatar as a whole counts as an error of `avatar`. */
  errorsFor (field: FieldName): readonly FieldError[] {
    const fieldErrors = this.errors.filter(({ in: part, pointer }) => {
      return part === 'body' && pointer.split('/')[2] === field
    })
    const rule = field === 'avatar' ? avatarRules[this.code] : undefined
    if (rule === undefined || fieldErrors.length > 0) return fieldErrors
    return [{ in: 'body', pointer: '/user/avatar', field: 'user[avatar]', rule, message: this.detail }]
  }
}

const avatarRules: Partial<Record<ProblemCode, FieldError['rule']>> = { avatar_too_large: 'size', avatar_type: 'type' }

/**
 * Why there is no usable response: the connection was lost or never made, the call timed out, or the response does not
 * come from the service.
 */
export type NetworkReason = 'connection' | 'timeout' | 'response'

export class NetworkError extends CallError {
  override readonly name = 'NetworkError'
  readonly reason: NetworkReason
  /** The status of a response that does not come from the service. */
  readonly status: number | undefined
  /** The outcome of a create is not known. It is safe to send it again only with the same idempotency key. */
  override readonly outcome = 'unknown'

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
}

export type Failure = ProblemError | NetworkError

export function isFailure (error: unknown): error is Failure {
  return error instanceof ProblemError || error instanceof NetworkError
}
