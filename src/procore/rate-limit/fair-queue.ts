/**
 * Queues waiting requests: first in, first out within a company, and round-robin between companies, so that many
 * requests of one company do not delay the others where all share one rate limit.
 */

/** @template Waiter `sequence` orders the waiters of one company, lowest first */
export class FairQueue<Waiter extends { readonly sequence: number }> {
  readonly #byCompany = new Map<number, Waiter[]>()
  /** Number of waiters of all companies. */
  size = 0

  /** Returns the number of waiters of one company. */
  sizeFor (companyId: number): number {
    return this.#byCompany.get(companyId)?.length ?? 0
  }

  /** Inserts a waiter among those of its company, in the order of `sequence`. */
  add (companyId: number, waiter: Waiter): void {
    const waiters = this.#byCompany.get(companyId) ?? []
    // Nearly always the end of the queue. A waiter that is added again keeps its position.
    const index = waiters.findLastIndex(({ sequence }) => sequence < waiter.sequence) + 1
    this.#byCompany.set(companyId, waiters)
    waiters.splice(index, 0, waiter)
    this.size++
  }

  /** Returns the next waiter without removing it. */
  peek (): Waiter | undefined {
    const [waiters] = this.#byCompany.values()
    return waiters?.[0]
  }

  /** Removes the next waiter and moves its company behind all others. */
  shift (): void {
    const [entry] = this.#byCompany
    if (entry === undefined) return
    const [companyId, waiters] = entry
    waiters.shift()
    this.size--
    this.#byCompany.delete(companyId)
    if (waiters.length > 0) this.#byCompany.set(companyId, waiters)
  }

  /** Removes a waiter. Returns whether it was queued. */
  remove (companyId: number, waiter: Waiter): boolean {
    const waiters = this.#byCompany.get(companyId)
    const index = waiters?.indexOf(waiter) ?? -1
    if (waiters === undefined || index < 0) return false
    waiters.splice(index, 1)
    this.size--
    if (waiters.length === 0) this.#byCompany.delete(companyId)
    return true
  }

  /** Iterates over all waiters, company by company. */
  * [Symbol.iterator] (): Generator<Waiter> {
    for (const waiters of this.#byCompany.values()) yield * waiters
  }
}
