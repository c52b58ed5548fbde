/** How many bytes of all bodies together are held in memory: a crowd that sends slowly must not fill it. */
import { overloadedProblem } from '../../server/problem.ts'

/** A number, and a limit in bytes: what was taken has to be given back, whatever becomes of the request. */
export class MemoryBudget {
  readonly #max: number
  #reservedBytes = 0

  constructor (max: number) {
    this.#max = max
  }

  /** @throws {Problem} `overloaded` */
  reserve (bytes: number): void {
    if (this.#reservedBytes + bytes > this.#max) throw overloadedProblem('Too many bodies are being read.')
    this.#reservedBytes += bytes
  }

  release (bytes: number): void {
    this.#reservedBytes -= bytes
  }
}
