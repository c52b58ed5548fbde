/** Reads the orientation of an Exif block (CIPA DC-008 §4.6.4), and writes a block with the orientation alone. */
import type { ImageInput } from './input.ts'

/** A photo whose rows are stored as they are shown. */
export const uprightOrientation = 1

/**
 * Drops an Exif block of that many bytes and returns its orientation, or 1 if it has none. The block is a TIFF (TIFF
 * 6.0 §2), whose first directory may be anywhere in it.
 */
export function * dropExif (input: ImageInput, blockBytes: number): Generator<undefined, number, undefined> {
  let leftBytes = blockBytes
  let orientation: number | undefined
  const drop = (count: number) => {
    leftBytes -= count
    input.drop(count)
  }
  if (leftBytes >= 8) {
    while (!input.has(8)) yield
    const byteOrder = input.uint16(0)
    input.isLittleEndian = byteOrder === 0x4949
    const isTiff = (byteOrder === 0x4949 || byteOrder === 0x4d4d) && input.uint16(2) === 42
    const offset = input.uint32(4)
    if (isTiff && offset >= 8 && offset + 2 <= leftBytes) {
      drop(offset)
      while (!input.has(2)) yield
      const entries = Math.min(input.uint16(0), Math.floor((leftBytes - 2) / 12))
      drop(2)
      for (let index = 0; index < entries && orientation === undefined; index++) {
        while (!input.has(12)) yield
        if (input.uint16(0) === 0x0112) orientation = readOrientation(input)
        drop(12)
      }
    }
    input.isLittleEndian = false
  }
  input.drop(leftBytes)
  return orientation ?? uprightOrientation
}

/**
 * Reads one number of 16 bits, as the tag requires, or of 8 or 32 bits, which exiftool and libexif also accept, because
 * some programs write it.
 */
function readOrientation (input: ImageInput): number {
  const type = input.uint16(2)
  const value = type === 3 ? input.uint16(8) : type === 4 ? input.uint32(8) : type === 1 ? input.uint8(8) : 0
  return input.uint32(4) === 1 && value >= 1 && value <= 8 ? value : uprightOrientation
}

/** Returns an Exif block with this orientation and nothing else. */
export function exifOf (orientation: number): Buffer {
  return Buffer.from([
    0x4d, 0x4d, 0, 42, 0, 0, 0, 8, // big endian, directory at offset 8
    0, 1, // one entry
    0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0,
    0, 0, 0, 0, // no further directory
  ])
}
