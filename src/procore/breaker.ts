/**
 * A circuit breaker for the API host: after a run of failures requests are refused at once. Then a request of this
 * service probes the host, at growing intervals, until it responds again.
 */
import { limits } from '../config/limits.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'

/** Whom a request was sent for. */
export interface RequestSource {
  /** Undefined for a request about no company. */
  companyId: number | undefined
  /** Undefined if callers cannot be distinguished: they count as one. */
  callerId?: string | undefined
}

type State =
  | { kind: 'closed', failures: number, lastSuspect?: RequestSource }
  | { kind: 'open', nextProbeAtMs: number, timer: NodeJS.Timeout }
  | { kind: 'stopped' }

/**
 * Opens after `limits.breaker.failures` consecutive failures. Probes are `limits.breaker.intervalMs` apart at first;
 * the interval doubles up to `limits.breaker.intervalMaxMs`.
 */
export class Breaker {
  #state: State = { kind: 'closed', failures: 0 }
  readonly #probe: () => Promise<void>
  /** Up while the breaker is closed. */
  readonly status = new DependencyStatus(true)

  /** @param probe sends a cheap request and records its result here; never rejects */
  constructor (probe: () => Promise<void>) {
    this.#probe = probe
  }

  get isOpen (): boolean {
    return this.#state.kind === 'open'
  }

  /** Milliseconds until the next probe is sent; 0 if the breaker is closed, or while a probe is in flight. */
  get probeInMs (): number {
    return this.#state.kind === 'open' ? Math.max(0, this.#state.nextProbeAtMs - performance.now()) : 0
  }

  /** Closes the breaker. Returns whether it was open. */
  recordSuccess (): boolean {
    if (this.#state.kind === 'stopped') return false
    const wasOpen = this.#state.kind === 'open'
    if (this.#state.kind === 'open') clearTimeout(this.#state.timer)
    this.#state = { kind: 'closed', failures: 0 }
    if (wasOpen) this.status.report(true)
    return wasOpen
  }

  /** Records that the host is failing. Returns whether this failure opened the breaker. */
  recordFailure (): boolean {
    if (this.#state.kind !== 'closed' || ++this.#state.failures < limits.breaker.failures) return false
    this.status.report(false)
    this.#open(limits.breaker.intervalMs)
    return true
  }

  /**
   * Records a failure that the request itself may have caused, as a 500. It counts only if the one before had another
   * company and another caller, so that neither can open the breaker for all. Returns whether it opened the breaker.
   */
  recordSuspect ({ companyId, callerId }: RequestSource): boolean {
    if (this.#state.kind !== 'closed') return false
    const { lastSuspect } = this.#state
    const isRepeated = lastSuspect?.companyId === companyId || lastSuspect?.callerId === callerId
    if (lastSuspect !== undefined && isRepeated) return false
    this.#state.lastSuspect = { companyId, callerId }
    return lastSuspect !== undefined && this.recordFailure()
  }

  /** Stops probing. */
  stop (): void {
    if (this.#state.kind === 'open') clearTimeout(this.#state.timer)
    this.#state = { kind: 'stopped' }
  }

  #open (intervalMs: number): void {
    const nextIntervalMs = Math.min(intervalMs * 2, limits.breaker.intervalMaxMs)
    const timer = setTimeout(async () => {
      await this.#probe()
      // The state is another one if the probe, or a request that was in flight, was successful meanwhile.
      if (this.#state.kind === 'open' && this.#state.timer === timer) this.#open(nextIntervalMs)
    }, intervalMs)
    timer.unref()
    this.#state = { kind: 'open', nextProbeAtMs: performance.now() + intervalMs, timer }
  }
}
