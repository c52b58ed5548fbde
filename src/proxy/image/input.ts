/** The parser may ask for this many bytes at once. */
const seamBytes = 32
const emptyBuffer: Buffer = Buffer.alloc(0)

/** Steps that any image may take, and bytes that must pass for each step more. A step takes a few nanoseconds. */
const freeSteps = 1024
const bytesPerStep = 8
/** A search that finds something costs as much as this many steps. */
const searchSteps = 16

/**
 * Gives a parser access to the bytes of an image as they come, without copying them: only the bytes that are left at
 * the end of a chunk are joined with the start of the next one. The parser reads at a position, and skips. It may take
 * only so many steps for the bytes before its position, because an image of tiny pieces would otherwise block the event
 * loop. The limit does not depend on the chunks.
 */
export class ImageInput {
  #bytes = emptyBuffer
  /** Where the parser is. It is beyond the bytes while bytes that have not come yet are skipped. */
  #position = 0
  /** How many bytes of the image are before the position. */
  #passedBytes = 0
  #steps = 0
  /** Whether a search has begun that may continue in the next chunk. */
  #isSearching = false
  isLittleEndian = false

  /** Whether the parser has taken too many steps. */
  get isFragmented (): boolean {
    return this.#steps > freeSteps + this.#passedBytes / bytesPerStep
  }

  /** Calls the parser for the bytes that are left with the first ones of the chunk, and then for the chunk. */
  write (chunk: Buffer, parse: () => void): void {
    const leftBytes = this.#bytes.length
    if (leftBytes > 0) {
      this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, seamBytes)])
      parse()
      // All of the chunk is in the joined bytes if the parser needs more than them.
      if (this.#position < leftBytes) return this.#keepRest()
      this.#position -= leftBytes
    }
    this.#bytes = chunk
    parse()
    this.#keepRest()
  }

  /** Copies what is left, because the memory of a chunk may be used again. */
  #keepRest (): void {
    const bytes = this.#bytes
    this.#bytes = this.#position < bytes.length ? Buffer.from(bytes.subarray(this.#position)) : emptyBuffer
    this.#position = Math.max(0, this.#position - bytes.length)
  }

  /** Whether so many bytes can be read, at most `seamBytes`, and the parser may take another step. */
  has (count: number): boolean {
    return this.#position + count <= this.#bytes.length && !this.isFragmented
  }

  skip (count: number): void {
    this.#steps++
    this.#advance(count)
  }

  #advance (count: number): void {
    this.#position += count
    this.#passedBytes += count
  }

  /** Skips to the next such byte. Returns false if it has not come yet. */
  skipTo (byte: number): boolean {
    if (this.#bytes[this.#position] !== byte) {
      if (this.#position >= this.#bytes.length || this.isFragmented) return false
      this.#isSearching = true
      const index = this.#bytes.indexOf(byte, this.#position)
      this.#advance((index < 0 ? this.#bytes.length : index) - this.#position)
      if (index < 0) return false
    }
    if (this.#isSearching) this.#steps += searchSteps
    this.#isSearching = false
    return true
  }

  uint8 (offset: number): number {
    return this.#bytes[this.#position + offset] ?? 0
  }

  uint16 (offset: number): number {
    const first = this.uint8(offset)
    const second = this.uint8(offset + 1)
    return this.isLittleEndian ? first | (second << 8) : (first << 8) | second
  }

  uint32 (offset: number): number {
    const first = this.uint16(offset)
    const second = this.uint16(offset + 2)
    return this.isLittleEndian ? first + second * 65_536 : first * 65_536 + second
  }
}
