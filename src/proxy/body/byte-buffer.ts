/**
 * Bytes that are kept until they are whole, in one piece of memory however small the pieces are in which they come: thousands of tiny
 * chunks must not cost thousands of objects. What comes in one piece is not copied.
 */
const emptyBuffer: Buffer = Buffer.alloc(0)

/** It has no limit of its own: whoever adds to it has counted. */
export class ByteBuffer {
  #buffer = emptyBuffer
  length = 0

  add (chunk: Buffer): void {
    // A small piece of a large memory would keep all of it.
    if (this.length === 0 && chunk.buffer.byteLength <= chunk.length * 2) {
      this.#buffer = chunk
      this.length = chunk.length
      return
    }
    const needed = this.length + chunk.length
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#buffer.length * 2, needed + growthMaxBytes)))
      this.#buffer.copy(larger, 0, 0, this.length)
      this.#buffer = larger
    }
    chunk.copy(this.#buffer, this.length)
    this.length = needed
  }

  get bytes (): Buffer {
    return this.#buffer.subarray(0, this.length)
  }
}

/** How much may be taken in advance. */
const growthMaxBytes = 65_536
