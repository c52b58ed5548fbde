/**
 * Requests that wait, in the order of their numbers within a company, and in turn between companies, so that a crowd of one
 * company does not hold up the others where all share one allowance. It knows no clock, and limits nothing.
 */

/** @template Waiter `number` is its place: the lower goes first within a company */
export class FairQueue<Waiter extends { readonly sequence: number }> {
  readonly #byCompany = new Map<number, Waiter[]>()
  /** Of all companies. */
  size = 0

  /** Of one company. */
  sizeFor (companyId: number): number {
    return this.#byCompany.get(companyId)?.length ?? 0
  }

  /** At its place among those of its company. */
  add (companyId: number, waiter: Waiter): void {
    const waiters = this.#byCompany.get(companyId) ?? []
    // Nearly always the last; one that comes again keeps its place.
    const index = waiters.findLastIndex(({ sequence }) => sequence < waiter.sequence) + 1
    this.#byCompany.set(companyId, waiters)
    waiters.splice(index, 0, waiter)
    this.size++
  }

  /** The one whose turn it is; it stays in its place. */
  peek (): Waiter | undefined {
    const [waiters] = this.#byCompany.values()
    return waiters?.[0]
  }

  /** Takes the first away; its company has its next turn after all others. */
  shift (): void {
    const [entry] = this.#byCompany
    if (entry === undefined) return
    const [companyId, waiters] = entry
    waiters.shift()
    this.size--
    this.#byCompany.delete(companyId)
    if (waiters.length > 0) this.#byCompany.set(companyId, waiters)
  }

  /** Takes one out of its place; returns whether it was there. */
  remove (companyId: number, waiter: Waiter): boolean {
    const waiters = this.#byCompany.get(companyId)
    const index = waiters?.indexOf(waiter) ?? -1
    if (waiters === undefined || index < 0) return false
    waiters.splice(index, 1)
    this.size--
    if (waiters.length === 0) this.#byCompany.delete(companyId)
    return true
  }

  /** All, company after company. */
  * [Symbol.iterator] (): Generator<Waiter> {
    for (const line of this.#byCompany.values()) yield * line
  }
}
