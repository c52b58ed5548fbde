/** Splits images into their pieces, and builds pieces, to put metadata between them. */
import { crc32 } from 'node:zlib'

/** A JPEG marker with its segment. One that starts a scan has the scan's data with it. */
export interface JpegPiece { code: number, bytes: Buffer }

/** Returns a JPEG segment (ITU T.81 §B.1.1.4). */
export function segment (code: number, ...data: Array<Buffer | string>): Buffer {
  const content = Buffer.concat(data.map(part => Buffer.from(part)))
  const head = Buffer.from([0xff, code, 0, 0])
  head.writeUInt16BE(content.length + 2, 2)
  return Buffer.concat([head, content])
}

/** Splits a valid JPEG at its markers, other than those that are part of a scan. */
export function splitJpeg (image: Buffer): JpegPiece[] {
  const pieces: JpegPiece[] = []
  for (let start = 0; start < image.length;) {
    const code = image.readUInt8(start + 1)
    const hasLength = code !== 0xd8 && code !== 0xd9
    let end = start + 2 + (hasLength ? image.readUInt16BE(start + 2) : 0)
    if (code === 0xda) end = findScanEnd(image, end)
    pieces.push({ code, bytes: image.subarray(start, end) })
    start = end
  }
  return pieces
}

/** A zero after 0xff is stuffed (ITU T.81 §F.1.2.3), and restart markers are in a scan. */
function findScanEnd (image: Buffer, start: number): number {
  for (let index = image.indexOf(0xff, start); index >= 0; index = image.indexOf(0xff, index + 1)) {
    const next = image[index + 1] ?? 0
    if (next !== 0 && (next < 0xd0 || next > 0xd7)) return index
  }
  return image.length
}

/** Puts segments after the start of a JPEG, or before a scan. */
export function insertSegments (image: Buffer, segments: readonly Buffer[], beforeScan?: number): Buffer {
  let scans = 0
  return Buffer.concat(splitJpeg(image).flatMap(({ code, bytes }, index) => {
    if (code === 0xda) scans++
    const isPlace = beforeScan === undefined ? index === 1 : code === 0xda && scans === beforeScan
    return isPlace ? [...segments, bytes] : [bytes]
  }))
}

export interface PngChunk { type: string, data: Buffer }

export const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

/** Splits a valid PNG into its chunks (PNG §5.3). */
export function splitPng (image: Buffer): PngChunk[] {
  const chunks: PngChunk[] = []
  for (let start = pngSignature.length; start < image.length;) {
    const length = image.readUInt32BE(start)
    const type = image.toString('latin1', start + 4, start + 8)
    chunks.push({ type, data: image.subarray(start + 8, start + 8 + length) })
    start += 12 + length
  }
  return chunks
}

export function joinPng (chunks: readonly PngChunk[]): Buffer {
  return Buffer.concat([pngSignature, ...chunks.map(pngChunk)])
}

export function pngChunk ({ type, data }: PngChunk): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const numbers = Buffer.alloc(8)
  numbers.writeUInt32BE(data.length)
  numbers.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([numbers.subarray(0, 4), body, numbers.subarray(4)])
}

/** Puts chunks before the first one of a type. */
export function insertChunks (image: Buffer, chunks: readonly PngChunk[], beforeType: string): Buffer {
  const all = splitPng(image)
  return joinPng(all.toSpliced(all.findIndex(({ type }) => type === beforeType), 0, ...chunks))
}

/** Returns data in the sub-blocks of a GIF (GIF89a §15), with the empty one that ends them. */
export function subBlocks (data: Buffer): Buffer {
  const blocks: Buffer[] = []
  for (let start = 0; start < data.length; start += 255) {
    const block = data.subarray(start, start + 255)
    blocks.push(Buffer.of(block.length), block)
  }
  return Buffer.concat([...blocks, Buffer.of(0)])
}

/** Splits a valid GIF into its head, the extensions and frames, and the trailer. */
export function splitGif (image: Buffer): Buffer[] {
  const tableBytes = (flags: number) => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)
  const headEnd = 13 + tableBytes(image.readUInt8(10))
  const blocks = [image.subarray(0, headEnd)]
  for (let start = headEnd; start < image.length;) {
    let end = start + 1
    if (image[start] === 0x21) end = start + 2
    else if (image[start] === 0x2c) end = start + 11 + tableBytes(image.readUInt8(start + 9))
    while (image[start] !== 0x3b) {
      const length = image.readUInt8(end)
      end += 1 + length
      if (length === 0) break
    }
    blocks.push(image.subarray(start, end))
    start = end
  }
  return blocks
}
