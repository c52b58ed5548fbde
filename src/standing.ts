/** Whether something works, and since when: what `/readyz`, the metrics and the status page tell of whatever this service depends on. */

export class Standing {
  #isUp: boolean
  #sinceMs = Date.now()

  constructor (isUp = false) {
    this.#isUp = isUp
  }

  get isUp (): boolean {
    return this.#isUp
  }

  /** When it became what it is, by our clock. */
  get sinceMs (): number {
    return this.#sinceMs
  }

  set (isUp: boolean): void {
    if (isUp === this.#isUp) return
    this.#isUp = isUp
    this.#sinceMs = Date.now()
  }
}
