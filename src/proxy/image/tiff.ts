import type { ImageParser } from './format.ts'
import type { ImageInput } from './input.ts'

/**
 * TIFF 6.0 §2: reads a chain of directories, one for each page, which may be anywhere in the file. Bytes before the
 * current position are gone, so a chain that leads back is not followed. One that leads into the header is rejected, by
 * an infinite number of pixels.
 */
export function * parseTiff (input: ImageInput): ImageParser {
  while (!input.has(10)) yield
  input.isLittleEndian = input.uint8(0) === 0x49
  // Canon's CR2 has a signature of its own after the header of the TIFF.
  if (input.uint8(8) === 0x43 && input.uint8(9) === 0x52) return 'raw'
  let next = input.uint32(4)
  if (next > 0 && next < 8) yield Infinity
  for (let position = 0; next >= Math.max(position, 8);) {
    input.keep(next - position)
    while (!input.has(2)) yield
    const count = input.uint16(0)
    input.keep(2)
    const directory = new TiffDirectory()
    for (let index = 0; index < count; index++) {
      while (!input.has(12)) yield
      directory.add(input.uint16(0), input.uint16(2) === 3 ? input.uint16(8) : input.uint32(8))
      input.keep(12)
    }
    if (directory.isRaw) return 'raw'
    yield directory.width * directory.height
    while (!input.has(4)) yield
    position = next + 2 + count * 12
    next = input.uint32(0)
  }
  return undefined
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
