/**
 * Remembers recent creates by the field that identifies their records. A lookup finds a record by this field (an e-mail
 * address) and its creation time, so two creates of one address are indistinguishable: the record of one must not be
 * attributed to the other. Each replica knows only its own creates.
 */
import { LRUCache } from 'lru-cache'
import { limits } from '../../config/limits.ts'
import { SlotSet } from '../../util/slot-set.ts'
import { getMatchValue, type CreateIdentity } from './lookup.ts'

interface PendingCreate {
  companyId: number | undefined
  /** Read at the end of the create, because the values of a stream are complete only then. */
  lookupCriteria?: CreateIdentity | undefined
}

/**
 * The creates of this process: at most `limits.recentCreates.emailsMax` addresses, and the latest
 * `limits.recentCreates.perEmailMax` creates of each. The address whose latest create is the oldest is evicted first.
 */
export class RecentCreates {
  readonly #inFlight = new SlotSet<PendingCreate>()
  /** When the creates were sent, by company and address. Only a create counts as a use (`peek` does not). */
  readonly #sentAtMsByDedupeKey = new LRUCache<string, number[]>({ max: limits.recentCreates.emailsMax })

  /** Returns the slot to pass to `settle`, or undefined if the create has no lookup criteria. */
  track (create: PendingCreate): number | undefined {
    return create.lookupCriteria === undefined ? undefined : this.#inFlight.add(create)
  }

  /**
   * Ends a create.
   * @param slot from `track`
   * @param sentAtMs undefined if it is certain that Procore did not create a record
   */
  settle (slot: number | undefined, create: PendingCreate, sentAtMs: number | undefined): void {
    if (slot === undefined) return
    this.#inFlight.remove(slot)
    if (sentAtMs === undefined) return
    const dedupeKey = getDedupeKey(create)
    const times = this.#sentAtMsByDedupeKey.get(dedupeKey) ?? []
    times.push(sentAtMs)
    if (times.length > limits.recentCreates.perEmailMax) times.shift()
    this.#sentAtMsByDedupeKey.set(dedupeKey, times)
  }

  /**
   * Whether another create of the same address may have created the record: one in flight, or one that was sent within
   * `maxAgeMs` of this one.
   */
  hasConcurrentDuplicate (create: PendingCreate, sentAtMs: number, maxAgeMs: number): boolean {
    const dedupeKey = getDedupeKey(create)
    for (const other of this.#inFlight) if (other !== create && getDedupeKey(other) === dedupeKey) return true
    const times = this.#sentAtMsByDedupeKey.peek(dedupeKey) ?? []
    const nearbyTimes = times.filter(time => Math.abs(time - sentAtMs) <= maxAgeMs)
    return nearbyTimes.length > (times.includes(sentAtMs) ? 1 : 0)
  }
}

function getDedupeKey ({ companyId, lookupCriteria }: PendingCreate): string {
  return `${companyId} ${lookupCriteria === undefined ? '' : getMatchValue(lookupCriteria)}`
}
