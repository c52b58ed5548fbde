import type { ImageParser } from './format.ts'
import type { ImageInput } from './input.ts'

/** Reads the second header of a BMP. The oldest, of 12 bytes, has 16-bit sizes; all others have signed 32-bit sizes. */
export function * parseBmp (input: ImageInput): ImageParser {
  input.isLittleEndian = true
  while (!input.has(26)) yield
  if (input.uint32(14) === 12) yield input.uint16(18) * input.uint16(20)
  else yield Math.abs(input.uint32(18) | 0) * Math.abs(input.uint32(22) | 0)
  return undefined
}
