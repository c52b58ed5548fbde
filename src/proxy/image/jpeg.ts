import { dropExif, exifOf, uprightOrientation } from './exif.ts'
import type { ImageParser } from './format.ts'
import type { ImageInput } from './input.ts'

/** Application data that decoders need, by marker code: how they start, and how many bytes of them. */
const applicationData = new Map([
  // JFIF without its thumbnail (ITU T.871 §10.1).
  [0xe0, { name: 'JFIF\0', minBytes: 14, maxBytes: 14 }],
  // ICC.1 §B.4
  [0xe2, { name: 'ICC_PROFILE\0', minBytes: 14, maxBytes: Infinity }],
  // The colour transform (ITU T.872 §6.5.3), without which CMYK images have wrong colours.
  [0xee, { name: 'Adobe', minBytes: 12, maxBytes: 12 }],
])
const exifName = 'Exif\0\0'

/** Reserved by T.81 for extensions, of which there are none. */
const extension = 0xc8

/** Bytes of a segment that are read to decide whether it is kept. */
const decisiveBytes = 18
/** A segment takes as long as this many steps. */
const segmentSteps = 8

/**
 * Reads the segments of a JPEG (ITU T.81 §B.1.1) up to the end of the image. It keeps the segments that T.81 defines
 * for decoding and the application data that decoders need. It drops other application data, comments and reserved
 * segments. Like decoders, it also drops bytes and markers without a length between two segments.
 */
export function * parseJpeg (input: ImageInput): ImageParser {
  let hasExif = false
  input.keep(2)
  for (;;) {
    while (!input.dropTo(0xff) || !input.has(2)) yield
    const code = input.uint8(1)
    if (code === 0xff) {
      input.keep(1)
    } else if (code <= 0x01 || (code >= 0xd0 && code <= 0xd8)) {
      input.drop(2)
    } else if (code === 0xd9) {
      input.keep(2)
      yield 0
      return undefined
    } else {
      const isDefined = code >= 0xc0 && code <= 0xdf && code !== extension
      // If the image ends before the segment can be identified, nothing of it is sent.
      if (!isDefined) input.drop(0)
      while (!input.has(4)) yield
      const length = input.uint16(2)
      if (length < 2) return 'invalid_length'
      input.countSteps(segmentSteps)
      if (code === 0xdc && length !== 4) {
        // Decoders skip a number of lines (§B.2.5) whatever its length.
        input.drop(2 + length)
        continue
      }
      while (!input.has(Math.min(2 + length, decisiveBytes))) yield
      if (isDefined) {
        const pixels = readPixels(input, code, length)
        if (pixels !== undefined) yield pixels
        input.keep(2 + length)
        if (code === 0xda) yield * keepScanData(input)
      } else if (code === 0xe1 && startsWith(input, exifName, length)) {
        yield * replaceExif(input, length, hasExif)
        hasExif = true
      } else {
        keepApplicationData(input, code, length)
      }
    }
  }
}

/** Returns undefined for tables, and 0 if no decoder accepts the segment. */
function readPixels (input: ImageInput, code: number, length: number): number | undefined {
  // A scan: its frame comes before it.
  if (code === 0xda) return 0
  if (code > 0xcf || code === 0xc4 || code === 0xc8 || code === 0xcc) return undefined
  // The length matches the number of components.
  return length >= 8 && length === 8 + 3 * input.uint8(9) ? input.uint16(5) * input.uint16(7) : 0
}

/** Keeps the data up to the marker behind them. 0xff may be repeated before it, and also between data. */
function * keepScanData (input: ImageInput): Generator<undefined, void> {
  for (;;) {
    while (!input.keepEntropyCodedData() || !input.has(2)) yield
    if (input.uint8(1) !== 0xff) return
    input.keep(1)
  }
}

/** Puts the orientation alone in the place of the first Exif segment. */
function * replaceExif (input: ImageInput, length: number, hasExif: boolean): Generator<undefined, void> {
  input.drop(4 + exifName.length)
  const orientation = yield * dropExif(input, length - 2 - exifName.length)
  if (hasExif || orientation === uprightOrientation) return
  const payload = Buffer.concat([Buffer.from(exifName), exifOf(orientation)])
  input.insert(Buffer.concat([Buffer.from([0xff, 0xe1, 0, 2 + payload.length]), payload]))
}

function keepApplicationData (input: ImageInput, code: number, length: number): void {
  const data = applicationData.get(code)
  if (data === undefined || length < 2 + data.minBytes || !startsWith(input, data.name, length)) {
    input.drop(2 + length)
  } else if (length <= 2 + data.maxBytes) {
    input.keep(2 + length)
  } else {
    const segment = input.copy(4 + data.maxBytes)
    segment.writeUInt16BE(2 + data.maxBytes, 2)
    // The size of the thumbnail.
    if (code === 0xe0) segment.fill(0, 16)
    input.drop(2 + length)
    input.insert(segment)
  }
}

/** Whether the payload of a segment starts with the text. */
function startsWith (input: ImageInput, text: string, length: number): boolean {
  return length >= 2 + text.length && input.startsWith(text, 4)
}
