/**
 * Holds whether a dependency works, and since when, for `/readyz`, the metrics and the status page. The code that uses
 * the dependency reports what it observes; until then the status is down, unless it starts as up.
 */
export class DependencyStatus {
  /** A configuration of the dependency that endangers the service, as a sentence for the operator. */
  warning: string | undefined
  #isUp: boolean
  #sinceMs = Date.now()

  constructor (isUp = false) {
    this.#isUp = isUp
  }

  get isUp (): boolean {
    return this.#isUp
  }

  /** Returns the time of the last change, by our own clock. */
  get sinceMs (): number {
    return this.#sinceMs
  }

  /** Reports an observation. Only a change updates the time. */
  report (isUp: boolean): void {
    if (isUp === this.#isUp) return
    this.#isUp = isUp
    this.#sinceMs = Date.now()
  }
}
