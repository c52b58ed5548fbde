import type { ImageParser } from './format.ts'
import type { ImageInput } from './input.ts'

/** Application extensions that decoders need: the number of repetitions, and the colour profile. */
const neededApplications = ['NETSCAPE2.0', 'ANIMEXTS1.0', 'ICCRGBG1012']

/**
 * Reads the blocks of a GIF (GIF89a appendix A) up to its trailer: the logical screen (§18), and every frame (§20),
 * because a frame may be larger. Of the extensions, only graphic controls (§23) and those that decoders need are kept.
 */
export function * parseGif (input: ImageInput): ImageParser {
  input.isLittleEndian = true
  while (!input.has(13)) yield
  yield input.uint16(6) * input.uint16(8)
  input.keep(13 + colorTableBytes(input.uint8(10)))
  for (;;) {
    while (!input.has(1)) yield
    const introducer = input.uint8(0)
    if (introducer === 0x2c) {
      while (!input.has(10)) yield
      yield input.uint16(5) * input.uint16(7)
      input.keep(11 + colorTableBytes(input.uint8(9)))
      yield * advanceBlocks(input, true)
    } else if (introducer === 0x21) {
      const isKept = yield * isNeededExtension(input)
      advance(input, 2, isKept)
      yield * advanceBlocks(input, isKept)
    } else if (introducer === 0) {
      // Some programs end a block twice. Decoders skip that.
      input.drop(1)
    } else {
      if (introducer === 0x3b) input.keep(1)
      return undefined
    }
  }
}

function * isNeededExtension (input: ImageInput): Generator<undefined, boolean> {
  while (!input.has(3)) yield
  const label = input.uint8(1)
  if (label === 0xf9) return true
  if (label !== 0xff || input.uint8(2) !== 11) return false
  while (!input.has(14)) yield
  return neededApplications.some(name => input.startsWith(name, 3))
}

/** Advances beyond data blocks and the empty block that ends them (§15, §16). */
function * advanceBlocks (input: ImageInput, isKept: boolean): Generator<undefined, void> {
  for (let blockBytes = 1; blockBytes > 0;) {
    while (!input.has(1)) yield
    blockBytes = input.uint8(0)
    advance(input, 1 + blockBytes, isKept)
  }
}

function advance (input: ImageInput, count: number, isKept: boolean): void {
  if (isKept) input.keep(count)
  else input.drop(count)
}

/** Returns the size of the colour table that the flags declare. */
const colorTableBytes = (flags: number) => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)
