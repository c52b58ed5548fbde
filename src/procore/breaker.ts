/**
 * A circuit breaker for the API host: after a run of failures requests are refused at once, and one request at a time
 * is sent as a probe, at growing intervals, until the host responds again.
 */
import { limits } from '../config/limits.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { ExchangeResult } from './exchange.ts'
import { parseThrottle } from './rate-limit/headers.ts'

/**
 * Opens after `limits.breaker.failures` consecutive failures. Probes are `limits.breaker.intervalMs` apart at first;
 * the interval doubles up to `limits.breaker.intervalMaxMs`.
 */
export class Breaker {
  #consecutiveFailures = 0
  #intervalMs: number = limits.breaker.intervalMs
  #nextProbeAtMs = 0
  /** Up while the breaker is closed. */
  readonly status = new DependencyStatus(true)

  /** Whether requests are refused. */
  get isOpen (): boolean {
    return !this.status.isUp
  }

  /** Milliseconds until a request may be sent; 0 if one may be sent now. */
  get probeInMs (): number {
    return this.isOpen ? Math.max(0, this.#nextProbeAtMs - Date.now()) : 0
  }

  /**
   * Must be called when a request is sent. While the breaker is open that request is the probe: the next one waits an
   * interval.
   */
  onRequestStart (): void {
    if (!this.isOpen) return
    this.#nextProbeAtMs = Date.now() + this.#intervalMs
    this.#intervalMs = Math.min(this.#intervalMs * 2, limits.breaker.intervalMaxMs)
  }

  /** Closes the breaker and resets the count of failures and the interval. */
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

/**
 * Classifies an exchange for the breaker. A response below 500 shows that the host is up, as does 503 with Retry-After,
 * which is an orderly refusal. An exchange that this side aborted shows nothing.
 */
export function breakerSignal (result: ExchangeResult, isStreamed: boolean, nowMs: number): 'up' | 'down' | undefined {
  if (result.kind === 'response') {
    return result.status < 500 || parseThrottle(result, nowMs) !== undefined ? 'up' : 'down'
  }
  if (result.aborted) return undefined
  // No connection became free in time: the cause may be the number of our own requests.
  if (result.phase === 'connect' && result.timedOut) return undefined
  // A streamed form that is cut off may be its caller's doing. No caller may open the breaker for all others.
  if (result.phase === 'send' && isStreamed) return undefined
  return 'down'
}
