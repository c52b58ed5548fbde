import { limits } from '../config/limits.ts'

/**
 * Limits the lines about requests of callers who are not authenticated: anyone can send such requests, and a log that
 * they fill hides other lines. `limits.log.unauthenticatedBurst` lines are allowed at once, and one more each
 * `limits.log.unauthenticatedIntervalMs`.
 */
export class LineLimit {
  #available: number = limits.log.unauthenticatedBurst
  #refilledAtMs = performance.now()
  #omittedCount = 0

  /** Returns how many lines were omitted before this one, or undefined if this one must be omitted too. */
  take (): { omittedCount: number } | undefined {
    const intervals = Math.floor((performance.now() - this.#refilledAtMs) / limits.log.unauthenticatedIntervalMs)
    this.#refilledAtMs += intervals * limits.log.unauthenticatedIntervalMs
    this.#available = Math.min(limits.log.unauthenticatedBurst, this.#available + intervals)
    if (this.#available < 1) {
      this.#omittedCount++
      return undefined
    }
    this.#available--
    const omittedCount = this.#omittedCount
    this.#omittedCount = 0
    return { omittedCount }
  }
}
