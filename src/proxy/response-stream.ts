import { Readable } from 'node:stream'
import type { Config } from '../config/index.ts'

/** Sends a body in slices that share its memory, so that it is known how fast the caller takes it. */
export class ResponseStream extends Readable {
  readonly #body: Buffer
  readonly #limits: Config['response']
  readonly #onSlow: () => void
  readonly #timer: NodeJS.Timeout
  #takenBytes = 0
  #windowStartBytes = 0

  /** @param onSlow called at the end of each window in which the caller took the body too slowly */
  constructor (body: Buffer, limits: Config['response'], onSlow: () => void) {
    super({ highWaterMark: limits.sliceBytes })
    this.#body = body
    this.#limits = limits
    this.#onSlow = onSlow
    this.#timer = setInterval(() => this.#checkRate(), limits.rateWindowMs)
  }

  override _read (): void {
    const slice = this.#body.subarray(this.#takenBytes, this.#takenBytes + this.#limits.sliceBytes)
    this.#takenBytes += slice.length
    this.push(slice.length === 0 ? null : slice)
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#timer)
    callback(error)
  }

  #checkRate (): void {
    const { minBytesPerSecond, rateWindowMs } = this.#limits
    const bytes = this.#takenBytes - this.#windowStartBytes
    this.#windowStartBytes = this.#takenBytes
    if (bytes * 1000 < minBytesPerSecond * rateWindowMs) this.#onSlow()
  }
}
