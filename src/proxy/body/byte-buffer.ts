const emptyBuffer: Buffer = Buffer.alloc(0)

/** Least bytes that are allocated, because a form is collected from short texts. */
const capacityMinBytes = 1024
/** Most bytes that are allocated in advance, or a quarter of the bytes if that is more: it bounds the copies. */
const growthMaxBytes = 65_536

/**
 * Joins chunks in one piece of memory, because thousands of tiny chunks must not cost thousands of objects. A single
 * large chunk is not copied. It has no limit of its own: the caller counts the bytes before it adds them.
 */
export class ByteBuffer {
  #buffer = emptyBuffer
  length = 0

  add (chunk: Buffer): void {
    // A small slice would retain the whole memory that it belongs to, so it is copied.
    if (this.length === 0 && chunk.buffer.byteLength <= chunk.length * 2) {
      this.#buffer = chunk
      this.length = chunk.length
      return
    }
    const needed = this.length + chunk.length
    if (needed > this.#buffer.length) {
      const growth = Math.max(growthMaxBytes, needed >> 2)
      const capacity = Math.max(capacityMinBytes, needed, Math.min(this.#buffer.length * 2, needed + growth))
      const larger = Buffer.allocUnsafeSlow(capacity)
      this.#buffer.copy(larger, 0, 0, this.length)
      this.#buffer = larger
    }
    chunk.copy(this.#buffer, this.length)
    this.length = needed
  }

  /** Size of the memory that the bytes keep alive. */
  get allocatedBytes (): number {
    return this.#buffer.buffer.byteLength
  }

  get bytes (): Buffer {
    return this.#buffer.subarray(0, this.length)
  }
}
