import { overloadedProblem } from '../../server/problem.ts'

/**
 * Limits the memory of all buffered bodies together, so that many slow callers cannot fill it. Every reservation must
 * be released, also if the request fails.
 */
export class MemoryBudget {
  readonly #maxBytes: number
  #reservedBytes = 0

  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @throws {Problem} `overloaded` */
  reserve (bytes: number): void {
    if (this.#reservedBytes + bytes > this.#maxBytes) throw overloadedProblem('Too many bodies are being read.')
    this.#reservedBytes += bytes
  }

  release (bytes: number): void {
    this.#reservedBytes -= bytes
  }
}
