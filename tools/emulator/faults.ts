/** Holds injected faults until a request matches them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultTarget, InjectedFault } from './settings.ts'

const pendingFaultsMax = 1000

/** Injected faults in the order in which they were added, at most `pendingFaultsMax` at a time. */
export class FaultQueue {
  #pending: Array<{ fault: InjectedFault, remaining: number }> = []
  #delays = new AbortController()

  /**
   * Applies the fault to one request, to `times` requests, or at a `rate` until `clear`.
   * @throws {RangeError} if too many faults are pending
   */
  add (fault: InjectedFault): void {
    if (this.#pending.length >= pendingFaultsMax) throw new RangeError('Too many faults are pending.')
    this.#pending.push({ fault, remaining: fault.rate === undefined ? fault.times ?? 1 : Infinity })
  }

  /** Removes all faults, and ends the delays of requests in flight. */
  clear (): void {
    this.#pending = []
    this.#delays.abort()
    this.#delays = new AbortController()
  }

  /** Resolves after a delay or when the faults are cleared. Does not keep the process alive. */
  async delay (delayMs: number): Promise<void> {
    await sleep(delayMs, undefined, { ref: false, signal: this.#delays.signal }).catch(() => {})
  }

  /** Returns the first fault that matches the request, and removes the fault once it was applied as often as asked. */
  take (target: FaultTarget, method: string, path: string): InjectedFault | undefined {
    const matched = this.#pending.find(({ fault }) => matchesRequest(fault, target, method, path))
    if (matched === undefined) return undefined
    matched.remaining--
    if (matched.remaining === 0) this.#pending.splice(this.#pending.indexOf(matched), 1)
    return matched.fault
  }
}

function matchesRequest (fault: InjectedFault, target: FaultTarget, method: string, path: string): boolean {
  if ((fault.on ?? 'api') !== target) return false
  if (fault.path !== undefined && !path.includes(fault.path)) return false
  if (fault.method !== undefined && fault.method !== method) return false
  return fault.rate === undefined || Math.random() < fault.rate
}
