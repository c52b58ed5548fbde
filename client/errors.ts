/** What a call throws: a problem that the service told of, or a request that nothing usable came back for. */
import type { FieldName, FieldError, Outcome, Problem, ProblemCode } from './operation.ts'
import type { TransportResponse } from './transport.ts'

/** What every failed call tells. */
abstract class CallError extends Error {
  /** What became of a create; undefined where nothing was sent to Procore at all. */
  abstract readonly outcome: Outcome | undefined
  /** How often it was sent. */
  attempts = 1
  /** The key of a create: sent again under it, whatever became of this one, it makes no second user. */
  idempotencyKey: string | undefined
}

/** A problem of RFC 9457, as the service and its gateway tell it. `message` is its `detail`. */
export class ProblemError extends CallError {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  readonly detail: string
  override readonly outcome: Outcome | undefined
  readonly requestId: string
  readonly retryAfterMs: number | undefined
  /** Every faulty input, whether the service or Procore found it. */
  readonly errors: readonly FieldError[]
  /** Procore's own answer, where it refused. */
  readonly procore: Problem['procore']
  /** As it came. */
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
  }

  /** The faults of one input of the body; an avatar that is refused as a whole counts as its fault. */
  errorsFor (field: FieldName): readonly FieldError[] {
    const fieldErrors = this.errors.filter(({ in: part, pointer }) => part === 'body' && pointer.split('/')[2] === field)
    const rule = field === 'avatar' ? avatarRules[this.code] : undefined
    return rule === undefined || fieldErrors.length > 0 ? fieldErrors : [{ in: 'body', pointer: '/user/avatar', field: 'user[avatar]', rule, message: this.detail }]
  }
}

const avatarRules: Partial<Record<ProblemCode, FieldError['rule']>> = { avatar_too_large: 'size', avatar_type: 'type' }

/** Why nothing usable came back: the connection was lost or never made, the time is over, or the answer is not of the service. */
export type NetworkReason = 'connection' | 'timeout' | 'response'

export class NetworkError extends CallError {
  override readonly name = 'NetworkError'
  readonly reason: NetworkReason
  /** Of an answer that is not of the service. */
  readonly status: number | undefined
  /** Of a create, nobody can tell: only under the same key is it safe to send it again. */
  override readonly outcome = 'unknown'

  constructor (reason: NetworkReason, { cause, status }: { cause?: unknown, status?: number } = {}) {
    super(messages[reason], { cause })
    this.reason = reason
    this.status = status
  }
}

const messages: Record<NetworkReason, string> = {
  connection: 'The connection to the service was lost or could not be made.',
  timeout: 'The service did not answer in time.',
  response: 'The answer is not one of the service.',
}

export type Failure = ProblemError | NetworkError

export const isFailure = (error: unknown): error is Failure => error instanceof ProblemError || error instanceof NetworkError

/** The failure that an answer tells of. */
export function toFailure ({ status, headers, text }: TransportResponse): Failure {
  const problem = /^application\/problem\+json\b/i.test(headers.get('content-type') ?? '') ? parseJson(text) : undefined
  return isProblem(problem) ? new ProblemError(problem, parseRetryAfter(headers)) : new NetworkError('response', { status })
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isProblem (value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null || ('errors' in value && !Array.isArray(value.errors))) return false
  return 'code' in value && typeof value.code === 'string' && 'status' in value && typeof value.status === 'number' && 'detail' in value && typeof value.detail === 'string'
}

/** Seconds or a date (RFC 9110 §10.2.3). */
function parseRetryAfter (headers: Headers): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
