/**
 * A circuit breaker for the API host: after a run of failures requests are refused at once, and one request at a time
 * is sent as a probe, at growing intervals, until the host responds again.
 */
import { limits } from '../config/limits.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'

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

  /** Resets the count of failures and the interval. Returns whether this success closed the breaker. */
  recordSuccess (): boolean {
    const wasOpen = this.isOpen
    this.#consecutiveFailures = 0
    this.status.report(true)
    this.#intervalMs = limits.breaker.intervalMs
    return wasOpen
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
