/**
 * Records the spans of a request: when each part of the work on it began and ended, and with which error. An error is a
 * code or the name of a class, never a message, which could contain anything.
 */
import { ClientDisconnectedError } from '../server/errors.ts'

/** A host of files: the API host, one of `PROCORE_FILE_HOSTS`, or another one, which receives no access token. */
export type FileHostKind = 'api' | 'listed' | 'other'

/** A part of the work on a request. Times are by our own clock, with fractions of a millisecond. */
export interface SpanRecord {
  name: 'validate' | 'access_token' | 'rate_limit' | 'upstream' | 'file'
  startedAtMs: number
  endedAtMs: number
  method?: string
  /** Path and query of a request to the API host. */
  path?: string
  /** How often the same request was sent before. */
  resendCount?: number
  /** Status of the response of Procore, or of the host of a file. */
  status?: number | undefined
  /** `error.type` of OpenTelemetry's semantic conventions. */
  error?: string | undefined
  fileHost?: FileHostKind
}

export type SpanEnd = Omit<SpanRecord, 'name' | 'startedAtMs' | 'endedAtMs'>

/** Starts a span if tracing is on. Returns the function that ends it. */
export function startSpan ({ spans }: { spans?: SpanRecord[] }, name: SpanRecord['name']): (end?: SpanEnd) => void {
  if (spans === undefined) return noop
  const startedAtMs = preciseNowMs()
  return end => { spans.push({ name, startedAtMs, endedAtMs: preciseNowMs(), ...end }) }
}

function noop (): void {}

/** Milliseconds since the epoch, with fractions. */
export const preciseNowMs = () => performance.timeOrigin + performance.now()

/** Returns `error.type` of OpenTelemetry. A caller that disconnected is not an error. */
export function errorType (error: unknown): string | undefined {
  if (error instanceof ClientDisconnectedError) return undefined
  if (!(error instanceof Error)) return '_OTHER'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/**
 * Returns `error.type` of an exchange without a response. An exchange that this side aborted is not an error of
 * Procore's.
 */
export function failureType (
  { timedOut, aborted, cause }: { timedOut: boolean, aborted: boolean, cause: Error }
): string | undefined {
  return timedOut ? 'timeout' : aborted ? undefined : errorType(cause)
}
