import { ByteBuffer } from '../body/byte-buffer.ts'
import type { ImageType } from './signature.ts'

/** A request of a parser to read or skip a number of bytes, or a number of pixels that it emits. */
type ParserStep = { read: number } | { skip: number } | { emit: number }
type ImageParser = Generator<ParserStep, void, Buffer>

const parsers: Record<ImageType['extension'], () => ImageParser> = {
  png: parsePng,
  jpg: parseJpeg,
  gif: parseGif,
  bmp: parseBmp,
  tiff: parseTiff,
}

/**
 * Reads how many pixels the header of an image declares, while the bytes of the image pass through: a small file can
 * declare an image that fills the memory of its decoder. It buffers a few bytes at a time, wherever in the file the
 * header is, and decodes nothing. It never throws: an unreadable image declares no pixels.
 */
export class ImageDimensions {
  readonly #parser: ImageParser
  #step: ParserStep | undefined
  #pending = new ByteBuffer()
  /** The largest number that a frame or page has declared so far; 0 before a header, or if it is unreadable. */
  pixels = 0

  constructor ({ extension }: ImageType) {
    this.#parser = parsers[extension]()
    this.#advance(this.#parser.next())
  }

  /** Must be called with all bytes of the image, in order. */
  write (chunk: Buffer): void {
    let rest = chunk
    while (this.#step !== undefined && rest.length > 0) rest = this.#feed(this.#step, rest)
  }

  /** Returns the rest of the chunk. */
  #feed (step: ParserStep, chunk: Buffer): Buffer {
    if ('read' in step) return this.#read(step.read, chunk)
    if (!('skip' in step)) return chunk
    const bytes = Math.min(step.skip, chunk.length)
    step.skip -= bytes
    if (step.skip === 0) this.#advance(this.#parser.next(emptyBuffer))
    return chunk.subarray(bytes)
  }

  #read (length: number, chunk: Buffer): Buffer {
    const bytes = Math.min(length - this.#pending.length, chunk.length)
    this.#pending.add(chunk.subarray(0, bytes))
    if (this.#pending.length === length) {
      const read = this.#pending.bytes
      this.#pending = new ByteBuffer()
      this.#advance(this.#parser.next(read))
    }
    return chunk.subarray(bytes)
  }

  /** Runs the parser until it needs bytes. A skip of no bytes needs none. */
  #advance (result: IteratorResult<ParserStep, void>): void {
    let next = result
    while (next.done !== true && !('read' in next.value) && !('skip' in next.value && next.value.skip > 0)) {
      if ('emit' in next.value) this.pixels = Math.max(this.pixels, next.value.emit)
      next = this.#parser.next(emptyBuffer)
    }
    this.#step = next.done === true ? undefined : next.value
  }
}

const emptyBuffer = Buffer.alloc(0)

/** PNG §11.2.1: IHDR is the first chunk. No decoder accepts a file without it. */
function * parsePng (): ImageParser {
  const head = yield { read: 24 }
  if (head.toString('latin1', 12, 16) === 'IHDR') yield { emit: head.readUInt32BE(16) * head.readUInt32BE(20) }
}

/** GIF89a §18 and §20: emits the logical screen, and every frame, because a frame may be larger. */
function * parseGif (): ImageParser {
  const head = yield { read: 13 }
  yield { emit: head.readUInt16LE(6) * head.readUInt16LE(8) }
  yield { skip: colorTableBytes(head[10]) }
  for (;;) {
    const introducer = (yield { read: 1 })[0]
    if (introducer === 0x2c) {
      const frame = yield { read: 9 }
      yield { emit: frame.readUInt16LE(4) * frame.readUInt16LE(6) }
      yield { skip: colorTableBytes(frame[8]) + 1 }
    } else if (introducer === 0x21) {
      yield { skip: 1 }
    } else {
      return
    }
    let blockBytes = (yield { read: 1 })[0]
    while (blockBytes !== undefined && blockBytes > 0) {
      yield { skip: blockBytes }
      blockBytes = (yield { read: 1 })[0]
    }
  }
}

/** Returns the size of the colour table that the flags declare. */
const colorTableBytes = (flags = 0) => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)

/** Reads the second header of a BMP. The oldest, of 12 bytes, has 16-bit sizes; all others have signed 32-bit sizes. */
function * parseBmp (): ImageParser {
  const head = yield { read: 26 }
  if (head.readUInt32LE(14) === 12) yield { emit: head.readUInt16LE(18) * head.readUInt16LE(20) }
  else yield { emit: Math.abs(head.readInt32LE(18)) * Math.abs(head.readInt32LE(22)) }
}

/**
 * ITU T.81 §B.1.1.2: reads segments until the frame header. Like decoders, it skips bytes between two segments. Some
 * markers have no length, and 0xff may be repeated before a code. No decoder accepts a frame header whose length does
 * not match its number of components.
 */
function * parseJpeg (): ImageParser {
  yield { skip: 2 }
  for (;;) {
    let code = (yield { read: 1 })[0]
    if (code !== 0xff) continue
    while (code === 0xff) code = (yield { read: 1 })[0]
    if (code === undefined || code === 0xd9 || code === 0xda) return
    if (code <= 0x01 || (code >= 0xd0 && code <= 0xd7)) continue
    const length = (yield { read: 2 }).readUInt16BE(0)
    if (code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc) {
      const frame = yield { read: 6 }
      if (length === 8 + 3 * (frame[5] ?? 0)) yield { emit: frame.readUInt16BE(1) * frame.readUInt16BE(3) }
      return
    }
    yield { skip: length - 2 }
  }
}

/** Most pages of a TIFF that are read. */
const pagesMax = 1000

/**
 * TIFF 6.0 §2: reads a chain of directories, one for each page, which may be anywhere in the file; only the entries
 * width and length matter. Bytes before the current position are gone, so a chain that leads back is not followed. One
 * that leads into the header is rejected, by an infinite number of pixels.
 */
function * parseTiff (): ImageParser {
  const head = yield { read: 8 }
  const isLittleEndian = head[0] === 0x49
  const readShort = (bytes: Buffer, offset: number) =>
    isLittleEndian ? bytes.readUInt16LE(offset) : bytes.readUInt16BE(offset)
  const readLong = (bytes: Buffer, offset: number) =>
    isLittleEndian ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
  let position = 8
  let next = readLong(head, 4)
  if (next > 0 && next < position) yield { emit: Infinity }
  for (let page = 0; page < pagesMax && next >= position; page++) {
    yield { skip: next - position }
    const count = readShort(yield { read: 2 }, 0)
    const sizes = new Map<number, number>()
    for (let index = 0; index < count; index++) {
      const entry = yield { read: 12 }
      sizes.set(readShort(entry, 0), readShort(entry, 2) === 3 ? readShort(entry, 8) : readLong(entry, 8))
    }
    yield { emit: (sizes.get(256) ?? 0) * (sizes.get(257) ?? 0) }
    position = next + 2 + count * 12 + 4
    next = readLong(yield { read: 4 }, 0)
  }
}
