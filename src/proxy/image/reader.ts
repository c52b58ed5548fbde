import type { ImageType } from './signature.ts'
import { parseBmp } from './bmp.ts'
import type { ImageFault, ImageParser } from './format.ts'
import { parseGif } from './gif.ts'
import { ImageInput } from './input.ts'
import { parseJpeg } from './jpeg.ts'
import { parsePng } from './png.ts'
import { parseTiff } from './tiff.ts'

interface Format {
  parse: (input: ImageInput) => ImageParser
  /** Whether the first number of pixels is the only one. */
  hasOneSize: boolean
  canStrip: boolean
}

const formats: Record<ImageType['extension'], Format> = {
  png: { parse: parsePng, hasOneSize: true, canStrip: true },
  jpg: { parse: parseJpeg, hasOneSize: true, canStrip: true },
  gif: { parse: parseGif, hasOneSize: false, canStrip: true },
  bmp: { parse: parseBmp, hasOneSize: true, canStrip: false },
  tiff: { parse: parseTiff, hasOneSize: false, canStrip: false },
}

/** The metadata of an image is either removed, if its format allows that, or kept. */
export type MetadataPolicy = 'strip' | 'keep'

const noBytes: Buffer = Buffer.alloc(0)

/**
 * Reads an image while its bytes pass through, in one pass and without decoding. It reads how many pixels the header
 * declares, because a small file can declare an image that fills the memory of its decoder. It returns the bytes
 * without metadata. It copies little more than the bytes between two chunks. It never throws.
 */
export class ImageReader {
  readonly #input = new ImageInput()
  readonly #format: Format
  readonly #parser: ImageParser
  readonly #strips: boolean
  #isParsing = true
  /** `incomplete`: the image has declared no size so far. `complete`: it has, or it is unreadable. */
  state: 'incomplete' | 'complete' | ImageFault = 'incomplete'
  /** The largest number that a frame or page has declared so far; 0 before a header, or if it is unreadable. */
  pixels = 0

  constructor ({ extension }: ImageType, metadata: MetadataPolicy) {
    this.#format = formats[extension]
    this.#parser = this.#format.parse(this.#input)
    this.#strips = metadata === 'strip' && this.#format.canStrip
  }

  /** Must be called with all bytes of the image, in order. Returns the bytes to send. */
  write (chunk: Buffer): Buffer {
    if (!this.#isParsing) return this.#strips ? noBytes : chunk
    const kept = this.#input.write(chunk, () => this.#parse())
    if (this.#isParsing && this.#input.isFragmented) this.#end('fragmented')
    return this.#strips ? kept : chunk
  }

  /** Must be called after all bytes. Returns what is left to send of a truncated image. */
  end (): Buffer {
    return this.#isParsing && this.#strips ? this.#input.takeUndecided() : noBytes
  }

  #parse (): void {
    while (this.#isParsing) {
      const { done, value } = this.#parser.next()
      if (done === true) this.#end(value ?? 'complete')
      else if (value === undefined) return
      else this.#declare(value)
    }
  }

  #declare (pixels: number): void {
    this.pixels = Math.max(this.pixels, pixels)
    this.state = 'complete'
    if (this.#format.hasOneSize && !this.#strips) this.#isParsing = false
  }

  #end (state: 'complete' | ImageFault): void {
    this.#isParsing = false
    this.state = state
  }
}
