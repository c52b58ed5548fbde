/** Turns an error response into the failure that the call throws. */
import { NetworkError, ProblemError, type Failure } from './errors.ts'
import type { Problem, ProblemCode } from './operation.ts'
import type { TransportResponse } from './transport.ts'

/** @param mayChange whether the request may have created or changed something */
export function toFailure ({ status, headers, content }: TransportResponse, mayChange: boolean): Failure {
  const isProblemJson = /^application\/problem\+json\b/i.test(headers.get('content-type') ?? '')
  const problem = isProblemJson && typeof content === 'string' ? parseJson(content) : undefined
  if (!isProblem(problem)) return new NetworkError('response', { status })
  const outcome = mayChange && lostCodes.has(problem.code) ? 'unknown' : undefined
  return new ProblemError({ ...(outcome !== undefined && { outcome }), ...problem }, parseRetryAfter(headers))
}

/**
 * Problems of a request that may have been sent. The service and its gateway state the outcome of a create or change.
 * If another gateway does not, the outcome is unknown.
 */
const lostCodes: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'internal',
  'procore_unreachable',
  'procore_unauthorized',
  'procore_bad_response',
  'procore_unavailable',
  'procore_timeout',
])

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Checks the members that the client itself reads. The other members and the list of codes are trusted, because only
 * the service and its gateway send problems with a `code`.
 */
export function isProblem (value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false
  if ('errors' in value && !Array.isArray(value.errors)) return false
  return 'code' in value && typeof value.code === 'string' &&
    'status' in value && typeof value.status === 'number' &&
    'detail' in value && typeof value.detail === 'string'
}

/** Parses `Retry-After`: seconds or a date (RFC 9110 §10.2.3). */
function parseRetryAfter (headers: Headers): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(delayMs) ? undefined : Math.max(0, delayMs)
}
