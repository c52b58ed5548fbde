/** The faults that wait for a request to strike, in the order in which they were ordered. */
import type { InjectedFault } from './settings.ts'

const pendingFaultsMax = 1000

/** At most `faultsMax` wait at a time. */
export class FaultQueue {
  #pending: Array<{ fault: InjectedFault, remaining: number }> = []

  /** Strikes once, `times` times, or for ever at a `rate`. @throws {RangeError} when too many wait */
  add (fault: InjectedFault): void {
    if (this.#pending.length >= pendingFaultsMax) throw new RangeError('too many faults are waiting')
    this.#pending.push({ fault, remaining: fault.rate === undefined ? fault.times ?? 1 : Infinity })
  }

  clear (): void {
    this.#pending = []
  }

  /** The fault that strikes this request, if any; one that struck as often as it was ordered is gone. */
  take (on: 'api' | 'token', method: string, path: string): InjectedFault | undefined {
    const matched = this.#pending.find(({ fault }) => matches(fault, on, method, path))
    if (matched === undefined) return undefined
    matched.remaining--
    if (matched.remaining === 0) this.#pending.splice(this.#pending.indexOf(matched), 1)
    return matched.fault
  }
}

function matches (fault: InjectedFault, on: 'api' | 'token', method: string, path: string): boolean {
  if ((fault.on ?? 'api') !== on) return false
  if (fault.path !== undefined && !path.includes(fault.path)) return false
  if (fault.method !== undefined && fault.method !== method) return false
  return fault.rate === undefined || Math.random() < fault.rate
}
