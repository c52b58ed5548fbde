// AVATAR_MAX_PIXELS: a small file can declare an image that fills the memory of whoever decodes it; it is refused while it streams.
import t from 'tap'
import { detectImageType } from '../../src/proxy/image/signature.ts'
import { ImageDimensions } from '../../src/proxy/image/dimensions.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { multipartBody, janeParts, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** The pixels of an image that comes in pieces of so many bytes. */
function pixels (image: Buffer, pieceBytes: number): number {
  const type = detectImageType(image)
  if (type === undefined) throw new Error('no image')
  const size = new ImageDimensions(type)
  for (let at = 0; at < image.length; at += pieceBytes) size.write(image.subarray(at, at + pieceBytes))
  return size.pixels
}

function sized (image: Buffer, write: (image: Buffer) => void): Buffer {
  write(image)
  return image
}

const hugePng = (minBytes = 300) => sized(png(minBytes), image => { image.writeUInt32BE(60_000, 16); image.writeUInt32BE(60_000, 20) })
/** The directory at the very end of the file, as many cameras write it. */
const lateTiff = (fillBytes: number) => {
  const small = tiff()
  const at = small.readUInt32LE(4)
  const head = sized(Buffer.from(small.subarray(0, at)), image => image.writeUInt32LE(at + fillBytes, 4))
  return Buffer.concat([head, Buffer.alloc(fillBytes), small.subarray(at)])
}
const bigTiff = sized(tiff(), image => { image.writeUInt16LE(4, 14); image.writeUInt32LE(100_000, 20); image.writeUInt16LE(4, 26); image.writeUInt32LE(100_000, 32) })

/** A stray byte before the frame header, which decoders pass over. */
function between (image: Buffer): Buffer {
  const at = image.indexOf('\xff\xc2', 0, 'latin1')
  return Buffer.concat([image.subarray(0, at), Buffer.of(0), image.subarray(at)])
}

function secondPage (): Buffer {
  const first = tiff()
  first.writeUInt32LE(first.length, first.length - 4)
  return Buffer.concat([first, bigTiff.subarray(bigTiff.readUInt32LE(4))])
}

t.test('the header of every type is read, in whatever pieces it comes', async t => {
  const cases: Record<string, [image: Buffer, pixels: number]> = {
    png: [sized(png(), image => { image.writeUInt32BE(300, 16); image.writeUInt32BE(200, 20) }), 60_000],
    'a huge png': [hugePng(), 3_600_000_000],
    'a png without a header': [sized(png(), image => { image.write('IDAT', 12) }), 0],
    jpeg: [jpeg(), 1],
    'a jpeg with comments before its frame': [jpeg(200_000), 1],
    'a jpeg without a frame': [Buffer.from([0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]), 0],
    'a jpeg with a byte between its segments': [between(jpeg()), 1],
    'a jpeg whose frame header contradicts itself': [sized(jpeg(), image => { image.writeUInt16BE(9, image.indexOf('\xff\xc2', 0, 'latin1') + 2) }), 0],
    gif: [gif(), 1],
    'a gif with a frame that is larger than its screen': [sized(gif(), image => { image.writeUInt16LE(300, image.indexOf(',', 13) + 5); image.writeUInt16LE(200, image.indexOf(',', 13) + 7) }), 60_000],
    'a tiff with a second page': [secondPage(), 10_000_000_000],
    'a tiff whose directory is in its header': [sized(tiff(), image => { image.writeUInt32LE(4, 4) }), Infinity],
    bmp: [bmp(), 1],
    'a bmp upside down': [sized(bmp(), image => { image.writeInt32LE(-1000, 22) }), 1000],
    tiff: [tiff(), 1],
    'a tiff with its directory at the end': [lateTiff(100_000), 1],
    'a tiff with long sizes': [bigTiff, 10_000_000_000],
    'a tiff that is cut off': [tiff().subarray(0, 20), 0],
  }
  for (const [name, [image, expected]] of Object.entries(cases)) {
    for (const pieceBytes of [1, 3, 7, 1000, image.length]) t.equal(pixels(image, pieceBytes), expected, `${name} in pieces of ${pieceBytes}`)
  }
})

t.test('too many pixels end a form at once, held or streamed', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_PIXELS: '1000000' } })
  const images = { 'held png': hugePng(), 'streamed png': hugePng(900_000), gif: sized(gif(), image => { image.writeUInt16LE(50_000, 6); image.writeUInt16LE(50_000, 8) }) }
  for (const [name, data] of Object.entries(images)) {
    const reply = await sendMultipart(usersUrl, multipartBody([{ name: 'user[avatar]', filename: 'a.png', data }, ...janeParts]))
    t.match(reply.json, { status: 413, code: 'avatar_too_large', detail: 'The avatar declares more than 1000000 pixels.' }, name)
  }
  t.equal(emulator.apiRequests.length, 0)
  t.equal((await sendMultipart(usersUrl, multipartBody([{ name: 'user[avatar]', filename: 'a.tiff', data: lateTiff(900_000) }, ...janeParts]))).status, 201)
})

t.test('a directory at the end that declares too much ends a form that flowed already', async t => {
  const { usersUrl, emulator } = await startService(t, { env: { AVATAR_MAX_PIXELS: '1000000' } })
  const fill = Buffer.alloc(900_000)
  const data = Buffer.concat([sized(Buffer.from(bigTiff.subarray(0, 10)), image => image.writeUInt32LE(10 + fill.length, 4)), fill, bigTiff.subarray(10)])
  t.match((await sendMultipart(usersUrl, multipartBody([{ name: 'user[avatar]', filename: 'a.tiff', data }, ...janeParts]))).json, { code: 'avatar_too_large', outcome: 'not_sent' })
  t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [false])
})
