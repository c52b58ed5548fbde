/**
 * How the stages of a request end, for its spans: when, and with which error. An error is a code or the name of a class, never a message,
 * which could hold anything. It knows nobody who traces.
 */
import type { StageEnd } from './request-record.ts'
import { CallerGone } from '../server/errors.ts'
import type { Breakdown } from '../procore/exchange.ts'

/** Waits, and ends the stage with what it waited for. @throws what that throws */
export async function staged<T> (work: Promise<T>, end: (end?: StageEnd) => void): Promise<T> {
  try {
    const result = await work
    end()
    return result
  } catch (error) {
    end({ error: errorTypeOf(error) })
    throw error
  }
}

/** `error.type` of OpenTelemetry. Nothing when it is only that the caller left. */
export function errorTypeOf (error: unknown): string | undefined {
  if (error instanceof CallerGone) return undefined
  if (!(error instanceof Error)) return '_OTHER'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** The same of a breakdown. What was ended from this side has no error of Procore's. */
export function breakdownType ({ timeout, givenUp, cause }: Breakdown): string | undefined {
  return timeout ? 'timeout' : givenUp ? undefined : errorTypeOf(cause)
}
