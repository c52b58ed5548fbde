/** How many bytes of all bodies together are held in memory: a crowd that sends slowly must not fill it. */
import { overloadedProblem } from '../../server/problem.ts'

/** A number, and a limit in bytes: what was taken has to be given back, whatever becomes of the request. */
export class HeldBytes {
  readonly #max: number
  #held = 0

  constructor (max: number) {
    this.#max = max
  }

  /** @throws {Problem} `overloaded` */
  take (bytes: number): void {
    if (this.#held + bytes > this.#max) throw overloadedProblem('Too many bodies are being read.')
    this.#held += bytes
  }

  give (bytes: number): void {
    this.#held -= bytes
  }
}
