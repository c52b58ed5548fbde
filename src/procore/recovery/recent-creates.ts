/**
 * The creates that were sent of late, by what their records are told apart by. A look-up finds a record by its name and its time, so that
 * two creates of one name look alike: what one of them made must not be told as the other's. Replicas do not know each other's.
 */
import { limits } from '../../config/limits.ts'
import { evictOldest } from '../../util/evict-oldest.ts'
import { SlotSet } from '../../server/in-flight.ts'
import type { LookupCriteria } from './lookup.ts'

interface PendingCreate {
  companyId: number
  /** Read late, since a stream's values are known at its end. */
  lookupCriteria?: Pick<LookupCriteria, 'matchField' | 'values'> | undefined
}

/** Of this process: `limits.recentCreates.emailsMax` names and `limits.recentCreates.perEmailMax` times of each at most, the oldest forgotten first. */
export class RecentCreates {
  readonly #inFlight = new SlotSet<PendingCreate>()
  /** When they were sent, by company and name; what was sent longest ago stands first. */
  readonly #sentAtMsByDedupeKey = new Map<string, number[]>()

  /** Returns its place; nothing for what can't be looked up. */
  track (create: PendingCreate): number | undefined {
    return create.lookupCriteria === undefined ? undefined : this.#inFlight.add(create)
  }

  /**
   * @param slot where it is under way
   * @param sentAtMs nothing, if it is certain that it made nothing
   */
  settle (slot: number | undefined, create: PendingCreate, sentAtMs: number | undefined): void {
    if (slot === undefined) return
    this.#inFlight.remove(slot)
    if (sentAtMs === undefined) return
    const dedupeKey = getDedupeKey(create)
    const times = this.#sentAtMsByDedupeKey.get(dedupeKey) ?? []
    times.push(sentAtMs)
    if (times.length > limits.recentCreates.perEmailMax) times.shift()
    this.#sentAtMsByDedupeKey.delete(dedupeKey)
    this.#sentAtMsByDedupeKey.set(dedupeKey, times)
    evictOldest(this.#sentAtMsByDedupeKey, () => this.#sentAtMsByDedupeKey.size / limits.recentCreates.emailsMax, oldest => this.#sentAtMsByDedupeKey.delete(oldest))
  }

  /** Whether another one of the same name may have made what was made so long after this one was sent. */
  hasConcurrentDuplicate (create: PendingCreate, sentAtMs: number, maxAgeMs: number): boolean {
    const dedupeKey = getDedupeKey(create)
    for (const other of this.#inFlight) if (other !== create && getDedupeKey(other) === dedupeKey) return true
    const times = this.#sentAtMsByDedupeKey.get(dedupeKey) ?? []
    const near = times.filter(time => Math.abs(time - sentAtMs) <= maxAgeMs)
    return near.length > (times.includes(sentAtMs) ? 1 : 0)
  }
}

function getDedupeKey ({ companyId, lookupCriteria }: PendingCreate): string {
  return `${companyId} ${String(lookupCriteria?.values.get(lookupCriteria.matchField))}`
}
