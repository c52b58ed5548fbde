/**
 * The order in which waiting requests are served: companies that share one rate limit alternate, and so do the callers
 * of one company (round-robin). The requests of one caller keep their order of arrival.
 */
export class Turns<T extends { companyId: number | undefined, callerId: string }> {
  /** The next one first: JavaScript maps and sets keep the order of insertion. */
  readonly #companies = new Map<number | undefined, Map<string, Set<T>>>()
  #size = 0

  get size (): number {
    return this.#size
  }

  /** Number of requests that wait for a company. */
  countOf (companyId: number | undefined): number {
    let count = 0
    for (const waiters of this.#companies.get(companyId)?.values() ?? []) count += waiters.size
    return count
  }

  /** Iterates in the order of the turns. */
  * [Symbol.iterator] (): Generator<T> {
    for (const callers of this.#companies.values()) {
      for (const waiters of callers.values()) yield * waiters
    }
  }

  add (waiter: T): void {
    const callers = this.#companies.get(waiter.companyId) ?? new Map<string, Set<T>>()
    const waiters = callers.get(waiter.callerId) ?? new Set<T>()
    if (!waiters.has(waiter)) this.#size++
    waiters.add(waiter)
    callers.set(waiter.callerId, waiters)
    this.#companies.set(waiter.companyId, callers)
  }

  /** Removes a request, if it waits, without using the turn of its caller. Returns whether it did. */
  delete (waiter: T): boolean {
    const { companyId, callerId } = waiter
    const callers = this.#companies.get(companyId)
    const waiters = callers?.get(callerId)
    if (callers === undefined || waiters?.delete(waiter) !== true) return false
    this.#size--
    if (waiters.size === 0) callers.delete(callerId)
    if (callers.size === 0) this.#companies.delete(companyId)
    return true
  }

  /** Removes a request, and moves its caller and its company to the end. Returns whether it was waiting. */
  take (waiter: T): boolean {
    if (!this.delete(waiter)) return false
    moveToEnd(this.#companies, waiter.companyId)
    const callers = this.#companies.get(waiter.companyId)
    if (callers !== undefined) moveToEnd(callers, waiter.callerId)
    return true
  }
}

function moveToEnd<K, V> (map: Map<K, V>, key: K): void {
  const value = map.get(key)
  if (value === undefined) return
  map.delete(key)
  map.set(key, value)
}
