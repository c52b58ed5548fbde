import type { ImageParser } from './format.ts'
import type { ImageInput } from './input.ts'

/** Returns whether a decoder needs a data block of that size, with that first byte. */
type BlockFilter = (blockBytes: number, firstByte: number) => boolean

const everyBlock: BlockFilter = () => true
const noBlock: BlockFilter = () => false
/** The number of repetitions, and the size of a buffer. */
const isRepetition: BlockFilter = (blockBytes, firstByte) =>
  (blockBytes === 3 && (firstByte & 7) === 1) || (blockBytes === 5 && (firstByte & 7) === 2)

/** Application extensions that decoders need: the number of repetitions, and the colour profile. */
const neededApplications: Array<{ name: string, needsBlock: BlockFilter }> = [
  { name: 'NETSCAPE2.0', needsBlock: isRepetition },
  { name: 'ANIMEXTS1.0', needsBlock: isRepetition },
  { name: 'ICCRGBG1012', needsBlock: everyBlock },
]

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
      yield * filterBlocks(input, everyBlock)
    } else if (introducer === 0x21) {
      yield * parseExtension(input)
    } else if (introducer === 0) {
      // Some programs end a block twice. Decoders skip that.
      input.drop(1)
    } else {
      if (introducer === 0x3b) input.keep(1)
      return undefined
    }
  }
}

function * parseExtension (input: ImageInput): Generator<undefined, void> {
  while (!input.has(3)) yield
  const label = input.uint8(1)
  const blockBytes = input.uint8(2)
  if (label === 0xf9 && blockBytes >= 4) {
    while (!input.has(7)) yield
    if (blockBytes === 4) input.keep(7)
    else replaceBlock(input, blockBytes)
    return yield * filterBlocks(input, noBlock)
  }
  if (label === 0xff && blockBytes === 11) {
    while (!input.has(14)) yield
    const application = neededApplications.find(({ name }) => input.startsWith(name, 3))
    if (application !== undefined) {
      input.keep(14)
      return yield * filterBlocks(input, application.needsBlock)
    }
  }
  input.drop(2)
  yield * dropBlocks(input)
}

/** Decoders read four bytes of a graphic control, whatever its size. */
function replaceBlock (input: ImageInput, blockBytes: number): void {
  const control = input.copy(7)
  control[2] = 4
  input.drop(3 + blockBytes)
  input.insert(control)
}

/** Keeps the data blocks that are needed, and the empty block that ends them (§15, §16). */
function * filterBlocks (input: ImageInput, needsBlock: BlockFilter): Generator<undefined, void> {
  for (;;) {
    while (!input.has(1)) yield
    const blockBytes = input.uint8(0)
    if (blockBytes === 0) return input.keep(1)
    while (!input.has(2)) yield
    if (needsBlock(blockBytes, input.uint8(1))) input.keep(1 + blockBytes)
    else input.drop(1 + blockBytes)
  }
}

function * dropBlocks (input: ImageInput): Generator<undefined, void> {
  for (let blockBytes = 1; blockBytes > 0;) {
    while (!input.has(1)) yield
    blockBytes = input.uint8(0)
    input.drop(1 + blockBytes)
  }
}

/** Returns the size of the colour table that the flags declare. */
const colorTableBytes = (flags: number) => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)
