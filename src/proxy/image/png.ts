import { crc32 } from 'node:zlib'
import { dropExif, exifOf, uprightOrientation } from './exif.ts'
import type { ImageParser } from './format.ts'
import type { ImageInput } from './input.ts'

const typeOf = (name: string) => Buffer.from(name).readUInt32BE()
const imageHeader = typeOf('IHDR')
const imageEnd = typeOf('IEND')
const exif = typeOf('eXIf')

/** Chunks that decoders need (PNG §11, third edition), and the most bytes that their definition allows. */
const critical: Array<[name: string, maxBytes: number]> = [['IHDR', 13], ['PLTE', 768], ['IDAT', Infinity]]
const colours: Array<[name: string, maxBytes: number]> = [
  ['cHRM', 32], ['cICP', 4], ['gAMA', 4], ['iCCP', Infinity], ['mDCV', 24], ['mDCv', 24], ['cLLI', 8], ['cLLi', 8],
  ['sBIT', 4], ['sRGB', 1], ['bKGD', 6], ['hIST', 512], ['tRNS', 256], ['pHYs', 9],
]
const animation: Array<[name: string, maxBytes: number]> = [['acTL', 8], ['fcTL', 26], ['fdAT', Infinity]]
const neededChunks = new Map(
  [...critical, ...colours, ...animation].map(([name, maxBytes]) => [typeOf(name), maxBytes])
)

/** PNG §5.3: no chunk is longer. */
const chunkMaxBytes = 0x7fff_ffff

/**
 * Reads the chunks of a PNG up to the end of the image. All are dropped but those that decoders need, and the
 * orientation. PNG §11.2.1: IHDR is the first chunk. No decoder accepts a file without it.
 */
export function * parsePng (input: ImageInput): ImageParser {
  let hasExif = false
  while (!input.has(24)) yield
  yield input.uint32(12) === imageHeader ? input.uint32(16) * input.uint32(20) : 0
  input.keep(8)
  for (;;) {
    while (!input.has(8)) yield
    const length = input.uint32(0)
    const type = input.uint32(4)
    if (length > chunkMaxBytes) return 'invalid_length'
    if (type === imageEnd) {
      input.insert(chunkOf('IEND', Buffer.alloc(0)))
      return undefined
    }
    if (type === exif) {
      input.drop(8)
      const orientation = yield * dropExif(input, length)
      input.drop(4)
      if (!hasExif && orientation !== uprightOrientation) input.insert(chunkOf('eXIf', exifOf(orientation)))
      hasExif = true
    } else if (length <= (neededChunks.get(type) ?? -1)) {
      input.keep(8)
      input.keep(length + 4)
    } else {
      input.drop(8)
      input.drop(length + 4)
    }
  }
}

function chunkOf (type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length)
  chunk.writeUInt32BE(data.length)
  chunk.write(type, 4)
  data.copy(chunk, 8)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4)
  return chunk
}
