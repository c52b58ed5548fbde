// A small file can declare an image that fills the memory of its decoder. AVATAR_MAX_PIXELS limits the declared size.
import t from 'tap'
import { detectImageType } from '../../src/proxy/image/signature.ts'
import { ImageReader, type MetadataPolicy } from '../../src/proxy/image/reader.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import { multipartBody, janeParts, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** Returns the pixels of an image that is read in chunks of that many bytes. */
function countPixels (image: Buffer, metadata: MetadataPolicy, chunkBytes: number): number {
  const type = detectImageType(image)
  if (type === undefined) throw new Error('the type of the image is unknown')
  const reader = new ImageReader(type, metadata)
  for (let offset = 0; offset < image.length; offset += chunkBytes) {
    reader.write(image.subarray(offset, offset + chunkBytes))
  }
  return reader.pixels
}

/** Edits an image in place. */
function edit (image: Buffer, write: (image: Buffer) => void): Buffer {
  write(image)
  return image
}

function withPngSize (image: Buffer, width: number, height: number): Buffer {
  return edit(image, image => {
    image.writeUInt32BE(width, 16)
    image.writeUInt32BE(height, 20)
  })
}

/** A GIF whose only frame declares another size than its screen. */
function gifWithFrame (width: number, height: number): Buffer {
  return edit(gif(), image => {
    const frame = image.indexOf(',', 13)
    image.writeUInt16LE(width, frame + 5)
    image.writeUInt16LE(height, frame + 7)
  })
}

function gifWithScreen (width: number, height: number): Buffer {
  return edit(gif(), image => {
    image.writeUInt16LE(width, 6)
    image.writeUInt16LE(height, 8)
  })
}

/** A TIFF that declares its sides as 32-bit numbers of 100,000 pixels. */
const hugeTiff = edit(tiff(), image => {
  image.writeUInt16LE(4, 14)
  image.writeUInt32LE(100_000, 20)
  image.writeUInt16LE(4, 26)
  image.writeUInt32LE(100_000, 32)
})

const hugePng = (minBytes = 300) => withPngSize(png(minBytes), 60_000, 60_000)

/** A TIFF with its directory at the end of the file, as many cameras write it. */
function tiffWithLateDirectory (fillBytes: number): Buffer {
  const image = tiff()
  const directory = image.readUInt32LE(4)
  const head = edit(Buffer.from(image.subarray(0, directory)), head => head.writeUInt32LE(directory + fillBytes, 4))
  return Buffer.concat([head, Buffer.alloc(fillBytes), image.subarray(directory)])
}

/** Returns the offset of the frame header of a JPEG. */
const findFrame = (image: Buffer) => image.indexOf('\xff\xc2', 0, 'latin1')

/** A JPEG with a stray byte before its frame header, which decoders skip. */
function jpegWithStrayByte (): Buffer {
  const image = jpeg()
  const frame = findFrame(image)
  return Buffer.concat([image.subarray(0, frame), Buffer.of(0), image.subarray(frame)])
}

/** A TIFF of two pages, of which the second is huge. */
function tiffWithHugeSecondPage (): Buffer {
  const first = tiff()
  first.writeUInt32LE(first.length, first.length - 4)
  return Buffer.concat([first, hugeTiff.subarray(hugeTiff.readUInt32LE(4))])
}

/** A TIFF of pages of 20 entries, of which the last is huge. */
function tiffWithPages (pages: number): Buffer {
  const directoryBytes = 2 + 20 * 12 + 4
  const image = Buffer.alloc(8 + pages * directoryBytes)
  tiff().copy(image, 0, 0, 8)
  image.writeUInt32LE(8, 4)
  for (let page = 0; page < pages; page++) {
    const offset = 8 + page * directoryBytes
    image.writeUInt16LE(20, offset)
    if (page + 1 < pages) image.writeUInt32LE(offset + directoryBytes, offset + directoryBytes - 4)
    else hugeTiff.copy(image, offset + 2, 12, 12 + 24)
  }
  return image
}

t.test('the declared pixels are read in chunks of any size', async t => {
  const rows: Array<{ name: string, image: Buffer, pixels: number }> = [
    { name: 'a PNG', image: withPngSize(png(), 300, 200), pixels: 60_000 },
    { name: 'a huge PNG', image: hugePng(), pixels: 3_600_000_000 },
    { name: 'a PNG without a header', image: edit(png(), image => { image.write('IDAT', 12) }), pixels: 0 },
    { name: 'a JPEG', image: jpeg(), pixels: 1 },
    { name: 'a JPEG with a colour profile before its frame', image: jpeg(200_000), pixels: 1 },
    {
      name: 'a JPEG without a frame',
      image: Buffer.from([0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
      pixels: 0,
    },
    { name: 'a JPEG with a byte between its segments', image: jpegWithStrayByte(), pixels: 1 },
    {
      name: 'a JPEG whose frame header contradicts itself',
      image: edit(jpeg(), image => { image.writeUInt16BE(9, findFrame(image) + 2) }),
      pixels: 0,
    },
    { name: 'a GIF', image: gif(), pixels: 1 },
    { name: 'a GIF with a frame larger than its screen', image: gifWithFrame(300, 200), pixels: 60_000 },
    { name: 'a TIFF with a second page', image: tiffWithHugeSecondPage(), pixels: 10_000_000_000 },
    {
      name: 'a TIFF whose directory is in its header',
      image: edit(tiff(), image => { image.writeUInt32LE(4, 4) }),
      pixels: Infinity,
    },
    { name: 'a TIFF of 1500 pages with a huge last one', image: tiffWithPages(1500), pixels: 10_000_000_000 },
    { name: 'a BMP', image: bmp(), pixels: 1 },
    { name: 'a BMP stored top-down', image: edit(bmp(), image => { image.writeInt32LE(-1000, 22) }), pixels: 1000 },
    { name: 'a TIFF', image: tiff(), pixels: 1 },
    { name: 'a TIFF with its directory at the end', image: tiffWithLateDirectory(100_000), pixels: 1 },
    { name: 'a TIFF with 32-bit sizes', image: hugeTiff, pixels: 10_000_000_000 },
    { name: 'a truncated TIFF', image: tiff().subarray(0, 20), pixels: 0 },
  ]
  for (const { name, image, pixels } of rows) {
    await t.test(`${name} declares ${pixels} pixels`, async t => {
      for (const chunkBytes of [1, 3, 7, 1000, image.length]) {
        t.equal(countPixels(image, 'strip', chunkBytes), pixels, `in chunks of ${chunkBytes} bytes`)
        t.equal(countPixels(image, 'keep', chunkBytes), pixels, `in chunks of ${chunkBytes} bytes, sent unchanged`)
      }
    })
  }
})

t.test('an avatar that declares too many pixels is rejected at once', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_PIXELS: '1000000' } })
  const rows = [
    { name: 'a huge PNG in a buffered form', data: hugePng() },
    { name: 'a huge PNG in a streamed form', data: hugePng(900_000) },
    { name: 'a huge GIF', data: gifWithScreen(50_000, 50_000) },
  ]
  for (const { name, data } of rows) {
    await t.test(`${name} is rejected as too large`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([avatarPart(data), ...janeParts]))
      t.match(response.json, {
        status: 413,
        code: 'avatar_too_large',
        detail: 'The avatar declares more than 1000000 pixels.',
      })
    })
  }
  t.equal(emulator.apiRequests.length, 0)
  const valid = multipartBody([avatarPart(tiffWithLateDirectory(900_000), 'a.tiff'), ...janeParts])
  t.equal((await sendMultipart(usersUrl, valid)).status, 201)
})

t.test('a TIFF whose directory at the end declares too many pixels aborts a form that is already streamed', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_PIXELS: '1000000' } })
  const fill = Buffer.alloc(900_000)
  const head = edit(Buffer.from(hugeTiff.subarray(0, 10)), head => head.writeUInt32LE(10 + fill.length, 4))
  const data = Buffer.concat([head, fill, hugeTiff.subarray(10)])
  const response = await sendMultipart(usersUrl, multipartBody([avatarPart(data, 'a.tiff'), ...janeParts]))
  t.match(response.json, { code: 'avatar_too_large', outcome: 'not_sent' })
  t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [false])
})
