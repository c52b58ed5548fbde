/**
 * Keeps requests from a host that is down: after a run of failures they are refused at once, and one at a time is let through at
 * growing intervals to see whether the host is back. It decides nothing about what a failure is.
 */
import { limits } from '../config/limits.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import { parseThrottle } from './rate-limit/headers.ts'
import type { ExchangeResult } from './exchange.ts'

/** Opens after `limits.breaker.failures` in a row; probes come from `limits.breaker.intervalMs` apart, doubling, to `limits.breaker.intervalMaxMs`. */
export class Breaker {
  #consecutiveFailures = 0
  #intervalMs: number = limits.breaker.intervalMs
  #nextProbeAtMs = 0
  /** Whether it is closed, and since when. */
  readonly status = new DependencyStatus(true)

  /** Whether requests are being refused. */
  get isOpen (): boolean {
    return !this.status.isUp
  }

  /** How long until a request may be let through, in milliseconds; 0 when one may go now. */
  get probeInMs (): number {
    return this.isOpen ? Math.max(0, this.#nextProbeAtMs - Date.now()) : 0
  }

  /** To be called when a request goes out: while the breaker is open it is the one that probes, and the next has its interval to wait. */
  onRequestStart (): void {
    if (!this.isOpen) return
    this.#nextProbeAtMs = Date.now() + this.#intervalMs
    this.#intervalMs = Math.min(this.#intervalMs * 2, limits.breaker.intervalMaxMs)
  }

  /** The host answers: it closes, and forgets what went wrong. */
  recordSuccess (): void {
    this.#consecutiveFailures = 0
    this.status.report(true)
    this.#intervalMs = limits.breaker.intervalMs
  }

  /** Returns whether this failure opened the breaker. */
  recordFailure (): boolean {
    this.#consecutiveFailures++
    if (this.isOpen || this.#consecutiveFailures < limits.breaker.failures) return false
    this.status.report(false)
    this.onRequestStart()
    return true
  }
}

/** A 503 with Retry-After is an orderly answer, and what was ended from this side says nothing. */
export function breakerSignal (result: ExchangeResult, isStreamed: boolean, nowMs: number): 'up' | 'down' | undefined {
  if (result.kind === 'response') return result.status < 500 || parseThrottle(result, nowMs) !== undefined ? 'up' : 'down'
  // No connection came free in time: that is our own crowd. And a form that is cut off may be its caller's fault as well as Procore's.
  if (result.aborted || (result.phase === 'connect' && result.timedOut) || (result.phase === 'send' && isStreamed)) return undefined
  return 'down'
}
