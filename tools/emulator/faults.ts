/** The faults that wait for a request to strike, in the order in which they were ordered. */
import type { Fault } from './settings.ts'

const faultsMax = 1000

/** At most `faultsMax` wait at a time. */
export class Faults {
  #waiting: Array<{ fault: Fault, left: number }> = []

  /** Strikes once, `times` times, or for ever at a `rate`. @throws {RangeError} when too many wait */
  add (fault: Fault): void {
    if (this.#waiting.length >= faultsMax) throw new RangeError('too many faults are waiting')
    this.#waiting.push({ fault, left: fault.rate === undefined ? fault.times ?? 1 : Infinity })
  }

  clear (): void {
    this.#waiting = []
  }

  /** The fault that strikes this request, if any; one that struck as often as it was ordered is gone. */
  take (on: 'api' | 'token', method: string, path: string): Fault | undefined {
    const struck = this.#waiting.find(({ fault }) => strikes(fault, on, method, path))
    if (struck === undefined) return undefined
    struck.left--
    if (struck.left === 0) this.#waiting.splice(this.#waiting.indexOf(struck), 1)
    return struck.fault
  }
}

function strikes (fault: Fault, on: 'api' | 'token', method: string, path: string): boolean {
  if ((fault.on ?? 'api') !== on) return false
  if (fault.path !== undefined && !path.includes(fault.path)) return false
  if (fault.method !== undefined && fault.method !== method) return false
  return fault.rate === undefined || Math.random() < fault.rate
}
