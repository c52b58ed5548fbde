/**
 * Requests that wait, in the order of their numbers within a company, and in turn between companies, so that a crowd of one
 * company does not hold up the others where all share one allowance. It knows no clock, and limits nothing.
 */

/** @template Waiter `number` is its place: the lower goes first within a company */
export class WaitingLine<Waiter extends { readonly number: number }> {
  readonly #byCompany = new Map<number, Waiter[]>()
  /** Of all companies. */
  size = 0

  /** Of one company. */
  sizeOf (companyId: number): number {
    return this.#byCompany.get(companyId)?.length ?? 0
  }

  /** At its place among those of its company. */
  add (companyId: number, waiter: Waiter): void {
    const line = this.#byCompany.get(companyId) ?? []
    // Nearly always the last; one that comes again keeps its place.
    const at = line.findLastIndex(({ number }) => number < waiter.number) + 1
    this.#byCompany.set(companyId, line)
    line.splice(at, 0, waiter)
    this.size++
  }

  /** The one whose turn it is; it stays in its place. */
  first (): Waiter | undefined {
    const [line] = this.#byCompany.values()
    return line?.[0]
  }

  /** Takes the first away; its company has its next turn after all others. */
  shift (): void {
    const [entry] = this.#byCompany
    if (entry === undefined) return
    const [companyId, line] = entry
    line.shift()
    this.size--
    this.#byCompany.delete(companyId)
    if (line.length > 0) this.#byCompany.set(companyId, line)
  }

  /** Takes one out of its place; returns whether it was there. */
  remove (companyId: number, waiter: Waiter): boolean {
    const line = this.#byCompany.get(companyId)
    const at = line?.indexOf(waiter) ?? -1
    if (line === undefined || at < 0) return false
    line.splice(at, 1)
    this.size--
    if (line.length === 0) this.#byCompany.delete(companyId)
    return true
  }

  /** All, company after company. */
  * [Symbol.iterator] (): Generator<Waiter> {
    for (const line of this.#byCompany.values()) yield * line
  }
}
