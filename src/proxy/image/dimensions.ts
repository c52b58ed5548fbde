/**
 * Reads how many pixels an image's header declares, while its bytes go by: a small file can declare an image that fills
 * the memory of whoever decodes it. It holds a few bytes at a time, wherever in the file the header stands, and decodes
 * nothing.
 */
import { ByteBuffer } from '../body/byte-buffer.ts'
import type { ImageType } from './signature.ts'

/** What a reader asks for: so many bytes to look at, or so many to pass over; and what it found. */
type ParserStep = { take: number } | { skip: number } | { found: number }
type ImageParser = Generator<ParserStep, void, Buffer>

const parsers: Record<ImageType['extension'], () => ImageParser> = { png: parsePng, jpg: parseJpeg, gif: parseGif, bmp: parseBmp, tiff: parseTiff }

/** Of one image, whose bytes are all written to it. It never throws: what can't be read declares nothing. */
export class ImageDimensions {
  readonly #parser: ImageParser
  #step: ParserStep | undefined
  #pending = new ByteBuffer()
  /** The most that any frame or page declared so far; 0 while no header has come, or when it can't be read. */
  pixels = 0

  constructor ({ extension }: ImageType) {
    this.#parser = parsers[extension]()
    this.#advance(this.#parser.next())
  }

  /** Takes the next bytes of the image, from its first on. */
  write (chunk: Buffer): void {
    let rest = chunk
    while (this.#step !== undefined && rest.length > 0) rest = this.#feed(this.#step, rest)
  }

  #feed (wish: ParserStep, chunk: Buffer): Buffer {
    if ('take' in wish) return this.#take(wish.take, chunk)
    if (!('skip' in wish)) return chunk
    const bytes = Math.min(wish.skip, chunk.length)
    wish.skip -= bytes
    if (wish.skip === 0) this.#advance(this.#parser.next(emptyBuffer))
    return chunk.subarray(bytes)
  }

  #take (take: number, chunk: Buffer): Buffer {
    const bytes = Math.min(take - this.#pending.length, chunk.length)
    this.#pending.add(chunk.subarray(0, bytes))
    if (this.#pending.length === take) {
      const taken = this.#pending.bytes
      this.#pending = new ByteBuffer()
      this.#advance(this.#parser.next(taken))
    }
    return chunk.subarray(bytes)
  }

  /** A wish for nothing is granted at once. */
  #advance (result: IteratorResult<ParserStep, void>): void {
    let next = result
    while (next.done !== true && !('take' in next.value) && !('skip' in next.value && next.value.skip > 0)) {
      if ('found' in next.value) this.pixels = Math.max(this.pixels, next.value.found)
      next = this.#parser.next(emptyBuffer)
    }
    this.#step = next.done === true ? undefined : next.value
  }
}

const emptyBuffer = Buffer.alloc(0)

/** PNG §11.2.1: IHDR is the first chunk; a file without it is no image to any decoder. */
function * parsePng (): ImageParser {
  const head = yield { take: 24 }
  if (head.toString('latin1', 12, 16) === 'IHDR') yield { found: head.readUInt32BE(16) * head.readUInt32BE(20) }
}

/** GIF89a §18 and §20: the logical screen, and every frame, which may be larger. */
function * parseGif (): ImageParser {
  const head = yield { take: 13 }
  yield { found: head.readUInt16LE(6) * head.readUInt16LE(8) }
  yield { skip: colorTableBytes(head[10]) }
  for (;;) {
    const introducer = (yield { take: 1 })[0]
    if (introducer === 0x2c) {
      const frame = yield { take: 9 }
      yield { found: frame.readUInt16LE(4) * frame.readUInt16LE(6) }
      yield { skip: colorTableBytes(frame[8]) + 1 }
    } else if (introducer === 0x21) {
      yield { skip: 1 }
    } else {
      return
    }
    for (let bytes = (yield { take: 1 })[0]; bytes !== undefined && bytes > 0; bytes = (yield { take: 1 })[0]) yield { skip: bytes }
  }
}

/** The size of the colour table that these flags announce. */
const colorTableBytes = (flags = 0) => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)

/** The second header of a BMP: 16-bit sizes in the oldest, of 12 bytes, 32-bit ones with a sign in all others. */
function * parseBmp (): ImageParser {
  const head = yield { take: 26 }
  if (head.readUInt32LE(14) === 12) yield { found: head.readUInt16LE(18) * head.readUInt16LE(20) }
  else yield { found: Math.abs(head.readInt32LE(18)) * Math.abs(head.readInt32LE(22)) }
}

/**
 * ITU T.81 §B.1.1.2: segments until the frame header. As decoders do, it passes over what stands between two segments;
 * some markers have no length, and 0xff may be repeated before a code. A frame header that contradicts itself is no
 * image to any decoder.
 */
function * parseJpeg (): ImageParser {
  yield { skip: 2 }
  for (;;) {
    let code = (yield { take: 1 })[0]
    if (code !== 0xff) continue
    while (code === 0xff) code = (yield { take: 1 })[0]
    if (code === undefined || code === 0xd9 || code === 0xda) return
    if (code <= 0x01 || (code >= 0xd0 && code <= 0xd7)) continue
    const length = (yield { take: 2 }).readUInt16BE(0)
    if (code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc) {
      const frame = yield { take: 6 }
      if (length === 8 + 3 * (frame[5] ?? 0)) yield { found: frame.readUInt16BE(1) * frame.readUInt16BE(3) }
      return
    }
    yield { skip: length - 2 }
  }
}

/** Most pages of a TIFF that are looked at. */
const pagesMax = 1000

/**
 * TIFF 6.0 §2: a chain of directories, one a page, which stand anywhere in the file; of their entries only width and
 * length are wanted. What stands before the place that was read already is gone: a chain that leads back is not
 * followed, one into the header is refused.
 */
function * parseTiff (): ImageParser {
  const head = yield { take: 8 }
  const isLittle = head[0] === 0x49
  const short = (bytes: Buffer, at: number) => isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)
  const long = (bytes: Buffer, at: number) => isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
  let position = 8
  let next = long(head, 4)
  if (next > 0 && next < position) yield { found: Infinity }
  for (let page = 0; page < pagesMax && next >= position; page++) {
    yield { skip: next - position }
    const count = short(yield { take: 2 }, 0)
    const sizes = new Map<number, number>()
    for (let index = 0; index < count; index++) {
      const entry = yield { take: 12 }
      sizes.set(short(entry, 0), short(entry, 2) === 3 ? short(entry, 8) : long(entry, 8))
    }
    yield { found: (sizes.get(256) ?? 0) * (sizes.get(257) ?? 0) }
    position = next + 2 + count * 12 + 4
    next = long(yield { take: 4 }, 0)
  }
}
