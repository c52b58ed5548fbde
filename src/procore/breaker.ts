/**
 * A circuit breaker for the API host: after a run of failures requests are refused at once, and one request at a time
 * is sent as a probe, at growing intervals, until the host responds again.
 */
import { limits } from '../config/limits.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'

type State =
  | { kind: 'closed', failures: number }
  | { kind: 'open', nextProbeAtMs: number, intervalMs: number }

/**
 * Opens after `limits.breaker.failures` consecutive failures. Probes are `limits.breaker.intervalMs` apart at first;
 * the interval doubles up to `limits.breaker.intervalMaxMs`.
 */
export class Breaker {
  #state: State = { kind: 'closed', failures: 0 }
  /** Up while the breaker is closed. */
  readonly status = new DependencyStatus(true)

  /** Milliseconds until a request may be sent; 0 if one may be sent now. */
  get probeInMs (): number {
    return this.#state.kind === 'open' ? Math.max(0, this.#state.nextProbeAtMs - Date.now()) : 0
  }

  /**
   * Must be called when a request is sent. While the breaker is open that request is the probe: the next one waits an
   * interval.
   */
  onRequestStart (): void {
    if (this.#state.kind === 'open') this.#open(this.#state.intervalMs)
  }

  /** Closes the breaker. Returns whether it was open. */
  recordSuccess (): boolean {
    if (this.#state.kind === 'closed') {
      this.#state.failures = 0
      return false
    }
    this.#state = { kind: 'closed', failures: 0 }
    this.status.report(true)
    return true
  }

  /** Returns whether this failure opened the breaker. */
  recordFailure (): boolean {
    if (this.#state.kind === 'open' || ++this.#state.failures < limits.breaker.failures) return false
    this.status.report(false)
    this.#open(limits.breaker.intervalMs)
    return true
  }

  #open (intervalMs: number): void {
    const nextIntervalMs = Math.min(intervalMs * 2, limits.breaker.intervalMaxMs)
    this.#state = { kind: 'open', nextProbeAtMs: Date.now() + intervalMs, intervalMs: nextIntervalMs }
  }
}
