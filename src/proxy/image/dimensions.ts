import type { ImageType } from './signature.ts'
import { ImageInput } from './input.ts'

/** Yields while it waits for bytes. */
type ImageParser = Generator<undefined, void, undefined>

/**
 * The state of reading the header of an image. `incomplete`: it has declared no size so far. `complete`: it has, or it
 * is unreadable. `fragmented`: its pieces are so small that reading them would take too long. `raw`: the image is a
 * camera's raw file, which only looks like a TIFF.
 */
export type ImageHeaderState = 'incomplete' | 'complete' | 'fragmented' | 'raw'

/**
 * Reads how many pixels the header of an image declares, while the bytes of the image pass through: a small file can
 * declare an image that fills the memory of its decoder. It copies a few bytes between two chunks only, wherever in the
 * file the header is, and decodes nothing. It never throws.
 */
export class ImageDimensions {
  readonly #input = new ImageInput()
  readonly #parser: ImageParser
  #state: ImageHeaderState = 'incomplete'
  #isParsing = true
  /** The largest number that a frame or page has declared so far; 0 before a header, or if it is unreadable. */
  pixels = 0

  constructor ({ extension }: ImageType) {
    this.#parser = parsers[extension](this.#input, this)
  }

  get state (): ImageHeaderState {
    return this.#state
  }

  /** Must be called with all bytes of the image, in order. */
  write (chunk: Buffer): void {
    if (!this.#isParsing) return
    this.#input.write(chunk, () => this.#parse())
    if (this.#input.isFragmented) this.#end('fragmented')
  }

  #parse (): void {
    if (this.#isParsing && this.#parser.next().done === true) this.#end(this.#state === 'raw' ? 'raw' : 'complete')
  }

  #end (state: ImageHeaderState): void {
    this.#isParsing = false
    this.#state = state
  }

  declare (pixels: number): void {
    this.pixels = Math.max(this.pixels, pixels)
    this.#state = 'complete'
  }

  declareRaw (): void {
    this.#state = 'raw'
  }
}

const parsers: Record<ImageType['extension'], (input: ImageInput, header: ImageDimensions) => ImageParser> = {
  png: parsePng,
  jpg: parseJpeg,
  gif: parseGif,
  bmp: parseBmp,
  tiff: parseTiff,
}

/** PNG §11.2.1: IHDR is the first chunk. No decoder accepts a file without it. */
function * parsePng (input: ImageInput, header: ImageDimensions): ImageParser {
  while (!input.has(24)) yield
  if (input.uint32(12) === 0x49484452) header.declare(input.uint32(16) * input.uint32(20))
}

/** GIF89a §18 and §20: reads the logical screen, and every frame, because a frame may be larger. */
function * parseGif (input: ImageInput, header: ImageDimensions): ImageParser {
  input.isLittleEndian = true
  while (!input.has(13)) yield
  header.declare(input.uint16(6) * input.uint16(8))
  input.skip(13 + colorTableBytes(input.uint8(10)))
  for (;;) {
    while (!input.has(1)) yield
    const introducer = input.uint8(0)
    if (introducer === 0x2c) {
      while (!input.has(10)) yield
      header.declare(input.uint16(5) * input.uint16(7))
      input.skip(11 + colorTableBytes(input.uint8(9)))
    } else if (introducer === 0x21) {
      input.skip(2)
    } else {
      return
    }
    for (let blockBytes = 1; blockBytes > 0;) {
      while (!input.has(1)) yield
      blockBytes = input.uint8(0)
      input.skip(1 + blockBytes)
    }
  }
}

/** Returns the size of the colour table that the flags declare. */
const colorTableBytes = (flags: number) => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)

/** Reads the second header of a BMP. The oldest, of 12 bytes, has 16-bit sizes; all others have signed 32-bit sizes. */
function * parseBmp (input: ImageInput, header: ImageDimensions): ImageParser {
  input.isLittleEndian = true
  while (!input.has(26)) yield
  if (input.uint32(14) === 12) header.declare(input.uint16(18) * input.uint16(20))
  else header.declare(Math.abs(input.uint32(18) | 0) * Math.abs(input.uint32(22) | 0))
}

/**
 * ITU T.81 §B.1.1.2: reads segments until the frame header. Like decoders, it skips bytes between two segments. Some
 * markers have no length, and 0xff may be repeated before a code. No decoder accepts a frame header whose length does
 * not match its number of components.
 */
function * parseJpeg (input: ImageInput, header: ImageDimensions): ImageParser {
  input.skip(2)
  for (;;) {
    while (!input.skipTo(0xff) || !input.has(2)) yield
    const code = input.uint8(1)
    if (code === 0xd9 || code === 0xda) return
    if (code === 0xff) {
      input.skip(1)
    } else if (code <= 0x01 || (code >= 0xd0 && code <= 0xd7)) {
      input.skip(2)
    } else if (code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc) {
      while (!input.has(10)) yield
      if (input.uint16(2) === 8 + 3 * input.uint8(9)) header.declare(input.uint16(5) * input.uint16(7))
      return
    } else {
      while (!input.has(4)) yield
      input.skip(2 + Math.max(2, input.uint16(2)))
    }
  }
}

/**
 * TIFF 6.0 §2: reads a chain of directories, one for each page, which may be anywhere in the file. Bytes before the
 * current position are gone, so a chain that leads back is not followed. One that leads into the header is rejected, by
 * an infinite number of pixels.
 */
function * parseTiff (input: ImageInput, header: ImageDimensions): ImageParser {
  while (!input.has(10)) yield
  input.isLittleEndian = input.uint8(0) === 0x49
  // Canon's CR2 has a signature of its own after the header of the TIFF.
  if (input.uint8(8) === 0x43 && input.uint8(9) === 0x52) return header.declareRaw()
  let next = input.uint32(4)
  if (next > 0 && next < 8) header.declare(Infinity)
  for (let position = 0; next >= Math.max(position, 8);) {
    input.skip(next - position)
    while (!input.has(2)) yield
    const count = input.uint16(0)
    input.skip(2)
    const directory = new TiffDirectory()
    for (let index = 0; index < count; index++) {
      while (!input.has(12)) yield
      directory.add(input.uint16(0), input.uint16(2) === 3 ? input.uint16(8) : input.uint32(8))
      input.skip(12)
    }
    if (directory.isRaw) return header.declareRaw()
    header.declare(directory.width * directory.height)
    while (!input.has(4)) yield
    position = next + 2 + count * 12
    next = input.uint32(0)
  }
}

/**
 * The entries that are read of a directory (TIFF 6.0 §8), beside the size those that a camera's raw file has (DNG, NEF,
 * ARW, PEF): its first directory is often a preview, and the sensor data are in a subdirectory.
 */
class TiffDirectory {
  width = 0
  height = 0
  #hasSensorData = false
  #isPreviewOrPhoto = false
  #hasSubdirectories = false

  add (tag: number, value: number): void {
    switch (tag) {
      case 254: // NewSubfileType: bit 0 is set for a preview
        this.#isPreviewOrPhoto ||= (value & 1) === 1
        break
      case 256:
        this.width = value
        break
      case 257:
        this.height = value
        break
      case 259: // Compression, of Sony, Nikon and Pentax
        this.#hasSensorData ||= value === 32_767 || value === 34_713 || value === 65_535
        break
      case 262: // PhotometricInterpretation: CFA and LinearRaw
        this.#hasSensorData ||= value === 32_803 || value === 34_892
        break
      case 271: // Make, of the camera
        this.#isPreviewOrPhoto = true
        break
      case 330: // SubIFDs
        this.#hasSubdirectories = true
        break
      case 50_706: // DNGVersion
        this.#hasSensorData = true
        break
      default:
    }
  }

  get isRaw (): boolean {
    return this.#hasSensorData || (this.#isPreviewOrPhoto && this.#hasSubdirectories)
  }
}
