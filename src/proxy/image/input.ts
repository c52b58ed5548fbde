/** The parser may ask for this many bytes at once. */
const seamBytes = 32
const emptyBuffer: Buffer = Buffer.alloc(0)

/** Steps that any image may take, and bytes that must pass for each step more. A step takes up to 50 ns. */
const freeSteps = 4096
const bytesPerStep = 8
/** A search that finds something, and a change from keeping to dropping, each cost as much as this many steps. */
const searchSteps = 16
const cutSteps = 8
/** If two 0xff are less than this many bytes apart, a loop finds the next one faster than a search. */
const denseBytes = 16

/** Returns the offset of the next marker that ends data, or if there is none, that of the first undecided byte. */
function findMarker (bytes: Buffer, from: number): number {
  const last = bytes.length - 1
  let index = from
  let isDense = false
  while (index < last) {
    while (index < last && bytes[index] === 0xff) {
      const next = bytes[index + 1] ?? 0
      if (next !== 0 && (next & 0xf8) !== 0xd0) return index
      index += 2
    }
    const start = index
    const denseEnd: number = isDense ? Math.min(start + denseBytes, last) : start
    while (index < denseEnd && bytes[index] !== 0xff) index++
    if (index === denseEnd) index = bytes.indexOf(0xff, index)
    if (index < 0) return bytes.length
    isDense = index - start < denseBytes
  }
  return bytes[last] === 0xff ? index : Math.max(index, bytes.length)
}

/**
 * Gives a parser access to the bytes of an image as they come, without copying them: only the bytes that are left at
 * the end of a chunk are joined with the start of the next one. The parser reads at a position, and either keeps or
 * drops the bytes before it moves on. It may take only so many steps for the bytes before its position, because an
 * image of tiny pieces would otherwise block the event loop. The limit does not depend on the chunks.
 */
export class ImageInput {
  #bytes = emptyBuffer
  /** Where the parser is. It is beyond the bytes while bytes that have not come yet are kept or dropped. */
  #position = 0
  /** Where the bytes begin that are kept and not yet in `#kept`. It equals the position if there are none. */
  #keptFrom = 0
  #kept: Buffer[] = []
  #isDropping = false
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

  /**
   * Calls the parser for the bytes that are left with the first ones of the chunk, and then for the chunk. Returns the
   * bytes that were kept meanwhile. Bytes on which the parser has not decided yet are returned by a later call.
   */
  write (chunk: Buffer, parse: () => void): Buffer {
    this.#kept = []
    const leftBytes = this.#bytes.length
    if (leftBytes > 0) {
      this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, seamBytes)])
      parse()
      // All of the chunk is in the joined bytes if the parser needs more than them.
      if (this.#position < leftBytes) {
        this.#storeRest()
        return this.#joinKept(chunk)
      }
      this.#flush(leftBytes)
      this.#shift(leftBytes)
    }
    this.#bytes = chunk
    parse()
    this.#storeRest()
    return this.#joinKept(chunk)
  }

  /**
   * Returns the bytes on which the parser has not decided because the image ends there, unless it was dropping. They
   * are fewer than `seamBytes`.
   */
  takeUndecided (): Buffer {
    const bytes = this.#isDropping ? emptyBuffer : this.#bytes
    this.#bytes = emptyBuffer
    return bytes
  }

  /** Copies what is left, because the memory of a chunk may be used again. */
  #storeRest (): void {
    const bytes = this.#bytes
    const end = Math.min(this.#position, bytes.length)
    this.#flush(end)
    this.#bytes = end < bytes.length ? Buffer.from(bytes.subarray(end)) : emptyBuffer
    this.#shift(end)
  }

  /** Adds the kept bytes before `end` to the result. */
  #flush (end: number): void {
    if (this.#keptFrom >= end) return
    this.#kept.push(this.#bytes.subarray(this.#keptFrom, end))
    this.#keptFrom = end
  }

  /** Makes the offsets relative to bytes that begin so much later. */
  #shift (count: number): void {
    this.#position -= count
    this.#keptFrom = Math.max(0, this.#keptFrom - count)
  }

  #joinKept (chunk: Buffer): Buffer {
    const [first = emptyBuffer, ...others] = this.#kept
    if (others.length > 0) return Buffer.concat(this.#kept)
    // A small slice would retain the memory of the whole chunk while it waits to be sent, so it is copied.
    return first.length * 2 < chunk.length ? Buffer.from(first) : first
  }

  /** Whether so many bytes can be read, at most `seamBytes`, and the parser may take another step. */
  has (count: number): boolean {
    return this.#position + count <= this.#bytes.length && !this.isFragmented
  }

  /** Counts steps for work that takes longer than a move. */
  countSteps (count: number): void {
    this.#steps += count
  }

  /** Moves on, and keeps the bytes. They may come later. */
  keep (count: number): void {
    this.#steps++
    this.#isDropping = false
    this.#advance(count)
  }

  /** Moves on, and drops the bytes. They may come later, but all bytes kept before must have come. */
  drop (count: number): void {
    this.#steps += this.#isDropping ? 1 : cutSteps
    this.#isDropping = true
    this.#flush(this.#position)
    this.#advance(count)
    this.#keptFrom = this.#position
  }

  /** Adds bytes to the kept ones at the position. */
  insert (bytes: Buffer): void {
    this.#isDropping = false
    this.#flush(this.#position)
    this.#kept.push(bytes)
  }

  #advance (count: number): void {
    this.#position += count
    this.#passedBytes += count
  }

  /** Drops all bytes before the next such byte. Returns false if it has not come yet. */
  dropTo (byte: number): boolean {
    if (this.#bytes[this.#position] !== byte) {
      if (this.#position >= this.#bytes.length || this.isFragmented) return false
      this.#isSearching = true
      const index = this.#bytes.indexOf(byte, this.#position)
      this.#flush(this.#position)
      this.#advance((index < 0 ? this.#bytes.length : index) - this.#position)
      this.#keptFrom = this.#position
      if (index < 0) return false
    }
    if (this.#isSearching) this.#steps += searchSteps
    this.#isSearching = false
    return true
  }

  /**
   * Keeps the entropy-coded data of a JPEG (ITU T.81 §B.1.1.5) up to the next 0xff that may be the start of a marker
   * behind them. 0xff followed by 0 is data, and restart markers are between data. Returns false if it has not come
   * yet. It takes no steps, because its time depends on the number of bytes only.
   */
  keepEntropyCodedData (): boolean {
    const index = findMarker(this.#bytes, this.#position)
    this.#isDropping = false
    this.#advance(index - this.#position)
    return index + 1 < this.#bytes.length
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

  /** Returns a copy of the next bytes. */
  copy (count: number): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#position, this.#position + count))
  }

  /** Whether the bytes at an offset are those of the text. */
  startsWith (text: string, offset: number): boolean {
    const start = this.#position + offset
    return this.#bytes.toString('latin1', start, start + text.length) === text
  }
}
