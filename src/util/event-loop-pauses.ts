import { setImmediate as nextIteration } from 'node:timers/promises'

/** Work that waits for nothing is interrupted after this time. */
const workMaxMs = 10

/** Lets the event loop serve others between the steps of long work that waits for no I/O. */
export class EventLoopPauses {
  #pausedAtMs = performance.now()

  /** Must be awaited before each step. */
  async pauseIfDue (): Promise<void> {
    if (performance.now() - this.#pausedAtMs < workMaxMs) return
    await nextIteration()
    this.#pausedAtMs = performance.now()
  }
}
