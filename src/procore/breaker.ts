/**
 * Keeps requests from a host that is down: after a run of failures they are refused at once, and one at a time is let through at
 * growing intervals to see whether the host is back. It decides nothing about what a failure is.
 */
import { limits } from '../config/limits.ts'
import { Standing } from '../telemetry/dependency-status.ts'
import { blockOf } from './rate-limit/headers.ts'
import type { ExchangeResult } from './exchange.ts'

/** Opens after `limits.breaker.failures` in a row; probes come from `limits.breaker.intervalMs` apart, doubling, to `limits.breaker.intervalMaxMs`. */
export class Breaker {
  #failures = 0
  #intervalMs: number = limits.breaker.intervalMs
  #nextProbeAtMs = 0
  /** Whether it is closed, and since when. */
  readonly standing = new Standing(true)

  /** Whether requests are being refused. */
  get isOpen (): boolean {
    return !this.standing.isUp
  }

  /** How long until a request may be let through, in milliseconds; 0 when one may go now. */
  get waitMs (): number {
    return this.isOpen ? Math.max(0, this.#nextProbeAtMs - Date.now()) : 0
  }

  /** To be called when a request goes out: while the breaker is open it is the one that probes, and the next has its interval to wait. */
  enter (): void {
    if (!this.isOpen) return
    this.#nextProbeAtMs = Date.now() + this.#intervalMs
    this.#intervalMs = Math.min(this.#intervalMs * 2, limits.breaker.intervalMaxMs)
  }

  /** The host answers: it closes, and forgets what went wrong. */
  succeed (): void {
    this.#failures = 0
    this.standing.set(true)
    this.#intervalMs = limits.breaker.intervalMs
  }

  /** Returns whether this failure opened the breaker. */
  fail (): boolean {
    this.#failures++
    if (this.isOpen || this.#failures < limits.breaker.failures) return false
    this.standing.set(false)
    this.enter()
    return true
  }
}

/** A 503 with Retry-After is an orderly answer, and what was ended from this side says nothing. */
export function hostNewsOf (result: ExchangeResult, streamed: boolean, nowMs: number): 'up' | 'down' | undefined {
  if (result.kind === 'answer') return result.status < 500 || blockOf(result, nowMs) !== undefined ? 'up' : 'down'
  // No connection came free in time: that is our own crowd. And a form that is cut off may be its caller's fault as well as Procore's.
  if (result.givenUp || (result.at === 'connect' && result.timeout) || (result.at === 'request' && streamed)) return undefined
  return 'down'
}
