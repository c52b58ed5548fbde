/**
 * Reads how many pixels an image's header declares, while its bytes go by: a small file can declare an image that fills the memory of
 * whoever decodes it. It holds a few bytes at a time, wherever in the file the header stands, and decodes nothing.
 */
import type { ImageType } from './image.ts'

/** What a reader asks for: so many bytes to look at, or so many to pass over. */
type Wish = { take: number } | { skip: number }
type Reader = Generator<Wish, number | undefined, Buffer>

const readers: Record<ImageType['extension'], () => Reader> = { png: readPng, jpg: readJpeg, gif: readGif, bmp: readBmp, tiff: readTiff }

export class ImageSize {
  readonly #reader: Reader
  #wish: Wish | undefined
  #held: Buffer[] = []
  #heldBytes = 0
  /** Nothing while the header has not come, or when it can't be read. */
  pixels: number | undefined

  constructor ({ extension }: ImageType) {
    this.#reader = readers[extension]()
    this.#ask(this.#reader.next())
  }

  /** Takes the next bytes of the image, from its first on. */
  write (chunk: Buffer): void {
    let rest = chunk
    while (this.#wish !== undefined && rest.length > 0) rest = 'skip' in this.#wish ? this.#skip(this.#wish, rest) : this.#take(this.#wish, rest)
  }

  #skip (wish: { skip: number }, chunk: Buffer): Buffer {
    const bytes = Math.min(wish.skip, chunk.length)
    wish.skip -= bytes
    if (wish.skip === 0) this.#ask(this.#reader.next(empty))
    return chunk.subarray(bytes)
  }

  #take ({ take }: { take: number }, chunk: Buffer): Buffer {
    const bytes = Math.min(take - this.#heldBytes, chunk.length)
    this.#held.push(Buffer.from(chunk.subarray(0, bytes)))
    this.#heldBytes += bytes
    if (this.#heldBytes === take) {
      const taken = Buffer.concat(this.#held)
      this.#held = []
      this.#heldBytes = 0
      this.#ask(this.#reader.next(taken))
    }
    return chunk.subarray(bytes)
  }

  /** A wish for nothing is granted at once. */
  #ask (result: IteratorResult<Wish, number | undefined>): void {
    let next = result
    while (next.done !== true && 'skip' in next.value && next.value.skip <= 0) next = this.#reader.next(empty)
    if (next.done === true) {
      this.#wish = undefined
      this.pixels = next.value
    } else {
      this.#wish = next.value
    }
  }
}

const empty = Buffer.alloc(0)

/** PNG §11.2.1: IHDR is the first chunk; a file without it is no image to any decoder. */
function * readPng (): Reader {
  const head = yield { take: 24 }
  if (head.toString('latin1', 12, 16) !== 'IHDR') return undefined
  return head.readUInt32BE(16) * head.readUInt32BE(20)
}

/** GIF89a §18: the logical screen. */
function * readGif (): Reader {
  const head = yield { take: 10 }
  return head.readUInt16LE(6) * head.readUInt16LE(8)
}

/** The second header of a BMP: 16-bit sizes in the oldest, of 12 bytes, 32-bit ones with a sign in all others. */
function * readBmp (): Reader {
  const head = yield { take: 26 }
  if (head.readUInt32LE(14) === 12) return head.readUInt16LE(18) * head.readUInt16LE(20)
  return Math.abs(head.readInt32LE(18)) * Math.abs(head.readInt32LE(22))
}

/** ITU T.81 §B.1.1.2: segments until the frame header; those without a length stand alone, and 0xff may be repeated before a code. */
function * readJpeg (): Reader {
  yield { skip: 2 }
  for (;;) {
    if ((yield { take: 1 })[0] !== 0xff) return undefined
    let code: number | undefined = 0xff
    while (code === 0xff) code = (yield { take: 1 })[0]
    if (code === undefined || code === 0xd9 || code === 0xda) return undefined
    if (code === 0x01 || (code >= 0xd0 && code <= 0xd7)) continue
    const length = (yield { take: 2 }).readUInt16BE(0)
    if (code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc) {
      const frame = yield { take: 5 }
      return frame.readUInt16BE(1) * frame.readUInt16BE(3)
    }
    yield { skip: length - 2 }
  }
}

/** TIFF 6.0 §2: the first directory stands anywhere in the file; of its entries only width and length are wanted. */
function * readTiff (): Reader {
  const head = yield { take: 8 }
  const isLittle = head[0] === 0x49
  const short = (bytes: Buffer, at: number) => isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)
  const long = (bytes: Buffer, at: number) => isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
  yield { skip: long(head, 4) - 8 }
  const count = short(yield { take: 2 }, 0)
  const sizes = new Map<number, number>()
  for (let index = 0; index < count; index++) {
    const entry = yield { take: 12 }
    sizes.set(short(entry, 0), short(entry, 2) === 3 ? short(entry, 8) : long(entry, 8))
  }
  const [width, length] = [sizes.get(256), sizes.get(257)]
  return width === undefined || length === undefined ? undefined : width * length
}
