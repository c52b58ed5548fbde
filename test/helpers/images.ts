/** Generates real images of a wanted size, so that no image files are needed. */
import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { joinPng } from './image-pieces.ts'

/** Returns a PNG of noise, of at least this size. */
export function png (minBytes = 300): Buffer {
  const side = Math.ceil(Math.sqrt(minBytes / 3))
  const rows = Buffer.alloc(side * (side * 3 + 1))
  for (let y = 0; y < side; y++) randomBytes(side * 3).copy(rows, y * (side * 3 + 1) + 1)
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return joinPng([
    { type: 'IHDR', data: header },
    { type: 'IDAT', data: deflateSync(rows, { level: 1 }) },
    { type: 'IEND', data: Buffer.alloc(0) },
  ])
}

const tinyJpeg = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP////////////////////////////////////////////////////////////////////////////' +
  '//////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=',
  'base64'
)

/**
 * Returns a JPEG of one pixel without metadata, of at least this size. It is filled with segments of a colour profile
 * (ICC.1 §B.4).
 */
export function jpeg (minBytes = tinyJpeg.length): Buffer {
  const segments: Buffer[] = []
  for (let bytes = tinyJpeg.length; bytes < minBytes; bytes += 65_537) {
    const profile = randomBytes(65_519).map(byte => byte === 0xff ? 0 : byte)
    segments.push(Buffer.from('\xff\xe2\xff\xffICC_PROFILE\0\x01\x01', 'latin1'), Buffer.from(profile))
  }
  return Buffer.concat([tinyJpeg.subarray(0, 2), ...segments, tinyJpeg.subarray(2)])
}

export const gif = () => Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')

/** Returns a BMP of one white pixel. */
export function bmp (): Buffer {
  const image = Buffer.alloc(58)
  image.write('BM')
  image.writeUInt32LE(58, 2)
  image.writeUInt32LE(54, 10)
  image.writeUInt32LE(40, 14)
  image.writeInt32LE(1, 18)
  image.writeInt32LE(1, 22)
  image.writeUInt16LE(1, 26)
  image.writeUInt16LE(24, 28)
  image.fill(0xff, 54)
  return image
}

/** Returns a little-endian TIFF with one strip of one grey pixel. */
export function tiff (): Buffer {
  const tags = [[256, 1], [257, 1], [258, 8], [259, 1], [262, 1], [273, 8], [278, 1], [279, 1]] as const
  const image = Buffer.alloc(10 + 2 + tags.length * 12 + 4)
  image.write('II*\0', 'latin1')
  image.writeUInt32LE(10, 4)
  image.writeUInt16LE(tags.length, 10)
  tags.forEach(([tag, value], index) => {
    const offset = 12 + index * 12
    image.writeUInt16LE(tag, offset)
    image.writeUInt16LE(3, offset + 2)
    image.writeUInt32LE(1, offset + 4)
    image.writeUInt16LE(value, offset + 8)
  })
  return image
}
