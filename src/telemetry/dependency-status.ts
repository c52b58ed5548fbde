/** Whether something works, and since when: what `/readyz`, the metrics and the status page tell of whatever this service depends on. It finds out nothing. */

/** Told by whoever uses the thing; down until it is told otherwise, unless it begins as up. */
export class DependencyStatus {
  #isUp: boolean
  #sinceMs = Date.now()

  constructor (isUp = false) {
    this.#isUp = isUp
  }

  /** What it was told last. */
  get isUp (): boolean {
    return this.#isUp
  }

  /** When it became what it is, in milliseconds of our clock. */
  get sinceMs (): number {
    return this.#sinceMs
  }

  /** To be told as often as something is known; only a change counts. */
  report (isUp: boolean): void {
    if (isUp === this.#isUp) return
    this.#isUp = isUp
    this.#sinceMs = Date.now()
  }
}
