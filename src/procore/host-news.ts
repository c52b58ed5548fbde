/**
 * What the end of an exchange tells of the API host, whatever it tells of the request. It is pure: what follows from it, the breaker
 * decides.
 */
import { blockOf } from './rate-limit/headers.ts'
import type { ExchangeResult } from './answer.ts'

/** A 503 with Retry-After is an orderly answer, and what was ended from this side says nothing. */
export function hostNewsOf (result: ExchangeResult, streamed: boolean, nowMs: number): 'up' | 'down' | undefined {
  if (result.kind === 'answer') return result.status < 500 || blockOf(result, nowMs) !== undefined ? 'up' : 'down'
  // No connection came free in time: that is our own crowd. And a form that is cut off may be its caller's fault as well as Procore's.
  if (result.givenUp || (result.at === 'connect' && result.timeout) || (result.at === 'request' && streamed)) return undefined
  return 'down'
}
