/**
 * What is under way, put in and taken out at every request. A Set would do the same, but V8 makes its table anew every so many changes,
 * and an old table that was promoted keeps what it held until a full collection: it carried the requests of seconds into the old
 * generation, which made each collection of the young one twice as long (bench/NOTES.md).
 */
export class UnderWay<T extends object> {
  readonly #places: Array<T | undefined> = []
  readonly #free: number[] = []
  /** How many there are. To be read only. */
  size = 0

  /** Takes what is not in it yet. Returns the place, by which it is taken out again. */
  add (item: T): number {
    const place = this.#free.pop() ?? this.#places.length
    this.#places[place] = item
    this.size++
    return place
  }

  /** To be called once for each that was put in. */
  remove (place: number): void {
    this.#places[place] = undefined
    this.#free.push(place)
    this.size--
  }

  * [Symbol.iterator] (): Generator<T> {
    for (const item of this.#places) if (item !== undefined) yield item
  }
}
