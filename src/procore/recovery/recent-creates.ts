/**
 * The creates that were sent of late, by what their records are told apart by. A look-up finds a record by its name and its time, so that
 * two creates of one name look alike: what one of them made must not be told as the other's. Replicas do not know each other's.
 */
import { limits } from '../../config/limits.ts'
import { forgetOldest } from '../../util/evict-oldest.ts'
import { UnderWay } from '../../server/in-flight.ts'
import type { Wanted } from './lookup.ts'

interface Create {
  companyId: number
  /** Read late, since a stream's values are known at its end. */
  wanted?: Pick<Wanted, 'by' | 'values'> | undefined
}

/** Of this process: `limits.recentCreates.emailsMax` names and `limits.recentCreates.perEmailMax` times of each at most, the oldest forgotten first. */
export class Creates {
  readonly #running = new UnderWay<Create>()
  /** When they were sent, by company and name; what was sent longest ago stands first. */
  readonly #sentAtMs = new Map<string, number[]>()

  /** Returns its place; nothing for what can't be looked up. */
  begin (create: Create): number | undefined {
    return create.wanted === undefined ? undefined : this.#running.add(create)
  }

  /**
   * @param place where it is under way
   * @param sentAtMs nothing, if it is certain that it made nothing
   */
  end (place: number | undefined, create: Create, sentAtMs: number | undefined): void {
    if (place === undefined) return
    this.#running.remove(place)
    if (sentAtMs === undefined) return
    const name = nameOf(create)
    const times = this.#sentAtMs.get(name) ?? []
    times.push(sentAtMs)
    if (times.length > limits.recentCreates.perEmailMax) times.shift()
    this.#sentAtMs.delete(name)
    this.#sentAtMs.set(name, times)
    forgetOldest(this.#sentAtMs, () => this.#sentAtMs.size / limits.recentCreates.emailsMax, oldest => this.#sentAtMs.delete(oldest))
  }

  /** Whether another one of the same name may have made what was made so long after this one was sent. */
  hasRival (create: Create, sentAtMs: number, windowMs: number): boolean {
    const name = nameOf(create)
    for (const other of this.#running) if (other !== create && nameOf(other) === name) return true
    const times = this.#sentAtMs.get(name) ?? []
    const near = times.filter(time => Math.abs(time - sentAtMs) <= windowMs)
    return near.length > (times.includes(sentAtMs) ? 1 : 0)
  }
}

function nameOf ({ companyId, wanted }: Create): string {
  return `${companyId} ${String(wanted?.values.get(wanted.by))}`
}
