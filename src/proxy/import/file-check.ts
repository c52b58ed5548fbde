import { createHash } from 'node:crypto'
import { Problem } from '../../server/problem.ts'

/** Bytes of a block. */
const blockBytes = 65_536
const digestLength = 16

export const keyReusedProblem = () =>
  new Problem('idempotency_key_reused', 'This idempotency key was used for another file or mode.')

/** Compares a file with the one that was imported with the same idempotency key, block by block as it arrives. */
export class FileCheck {
  /** Digests of the blocks so far. */
  readonly digests: string[] = []
  readonly #expected: readonly string[] | undefined
  #hash = createHash('sha256')
  #bytes = 0

  /** @param expected digests of the blocks of the earlier file, if it was read to its end */
  constructor (expected: readonly string[] | undefined) {
    this.#expected = expected
  }

  /**
   * Yields the file again. If there was an earlier one, each block is yielded after it was compared.
   * @throws {Problem} `idempotency_key_reused`
   */
  async * read (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let unchecked: Buffer[] = []
    for await (const chunk of chunks) {
      for (let start = 0; start < chunk.length;) {
        const piece = chunk.subarray(start, start + blockBytes - this.#bytes)
        start += piece.length
        this.#hash.update(piece)
        this.#bytes += piece.length
        unchecked.push(piece)
        if (this.#bytes === blockBytes) this.#endBlock()
        else if (this.#expected !== undefined) continue
        yield * unchecked
        unchecked = []
      }
    }
    if (this.#bytes > 0) this.#endBlock()
    if (this.#expected !== undefined && this.#expected.length !== this.digests.length) throw keyReusedProblem()
    yield * unchecked
  }

  #endBlock (): void {
    const digest = this.#hash.digest('base64url').slice(0, digestLength)
    if (this.#expected !== undefined && this.#expected[this.digests.length] !== digest) throw keyReusedProblem()
    this.digests.push(digest)
    this.#hash = createHash('sha256')
    this.#bytes = 0
  }
}
