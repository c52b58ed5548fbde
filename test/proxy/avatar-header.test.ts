// The header of an image is read while it passes through, so no image may keep the event loop busy.
import t from 'tap'
import { detectImageType } from '../../src/proxy/image/signature.ts'
import { ImageReader, type MetadataPolicy } from '../../src/proxy/image/reader.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { measureUs } from '../helpers/measure-us.ts'
import { Random } from '../helpers/random.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import { janeParts, multipartBody, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const size = 2_000_000
const gifHead = gif().subarray(0, 10)
/** The start of a GIF without a colour table, and the label of an extension. */
const gifExtension = [...gifHead, 0, 0, 0, 0x21, 0xf9]
const tiffHead = [...tiff().subarray(0, 4), 8, 0, 0, 0]
const tiffEntry = [0, 1, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0]

function repeat (head: readonly number[], repeated: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size - head.length, Buffer.from(repeated))])
}

/** A chain of TIFF directories with so many entries each. */
function tiffChain (entries: number): Buffer {
  const directoryBytes = 2 + 12 * entries + 4
  const image = Buffer.alloc(size)
  image.set(tiffHead)
  for (let offset = 8; offset + directoryBytes < size; offset += directoryBytes) {
    image.writeUInt16LE(entries, offset)
    image.fill(Buffer.from(tiffEntry), offset + 2, offset + 2 + 12 * entries)
    image.writeUInt32LE(offset + directoryBytes, offset + directoryBytes - 4)
  }
  return image
}

const scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3, 4, 5]
const exifSegment = [0xff, 0xe1, 0, 16, ...Buffer.from('Exif\0\0MM\0*\0\0\0\x08')]
const jfifSegment = [0xff, 0xe0, 0, 19, ...Buffer.from('JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01abc')]
/** A chunk without data, and without a valid checksum. */
const pngChunk = (type: string) => [0, 0, 0, 0, ...Buffer.from(type), 0, 0, 0, 0]

const adversarialImages: Array<{ name: string, image: Buffer }> = [
  { name: 'a PNG of garbage', image: repeat([...png().subarray(0, 18)], [0]) },
  { name: 'a BMP of garbage', image: repeat([...bmp().subarray(0, 18)], [0]) },
  { name: 'a JPEG of zeros', image: repeat([0xff, 0xd8, 0xff], [0]) },
  { name: 'a JPEG of markers', image: repeat([0xff, 0xd8, 0xff], [0xff]) },
  { name: 'a JPEG of stuffed bytes', image: repeat([0xff, 0xd8, 0xff], [0, 0xff]) },
  {
    name: 'a JPEG with a marker in each 8 bytes of garbage',
    image: repeat([0xff, 0xd8, 0xff], [0, 1, 2, 3, 4, 5, 6, 0xff]),
  },
  { name: 'a JPEG of empty segments', image: repeat([0xff, 0xd8], [0xff, 0xe0, 0, 2]) },
  { name: 'a JPEG of short segments', image: repeat([0xff, 0xd8], [0xff, 0xe0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]) },
  { name: 'a JPEG scan of stuffed bytes', image: repeat([0xff, 0xd8, ...scan], [0xff, 0]) },
  { name: 'a JPEG scan of fill bytes', image: repeat([0xff, 0xd8, ...scan], [0xff]) },
  { name: 'a JPEG scan of restart markers', image: repeat([0xff, 0xd8, ...scan], [0xff, 0xd0]) },
  {
    name: 'a JPEG scan with a stuffed byte in each 33 bytes',
    image: repeat([0xff, 0xd8, ...scan], [...new Array<number>(32).fill(0), 0xff]),
  },
  { name: 'a JPEG of scans', image: repeat([0xff, 0xd8], scan) },
  { name: 'a JPEG of comments between scans', image: repeat([0xff, 0xd8], [...scan, 0xff, 0xfe, 0, 2]) },
  { name: 'a JPEG of Exif segments', image: repeat([0xff, 0xd8], exifSegment) },
  { name: 'a JPEG of JFIF segments with a thumbnail', image: repeat([0xff, 0xd8], jfifSegment) },
  { name: 'a PNG of empty chunks', image: repeat([...png().subarray(0, 33)], pngChunk('sRGB')) },
  {
    name: 'a PNG of empty chunks and texts',
    image: repeat([...png().subarray(0, 33)], [...pngChunk('sRGB'), ...pngChunk('tEXt')]),
  },
  { name: 'a GIF of blocks of 1 byte', image: repeat(gifExtension, [1]) },
  { name: 'a GIF of blocks of 8 bytes', image: repeat(gifExtension, [8]) },
  { name: 'a GIF of empty extensions', image: repeat(gifExtension.slice(0, 13), [0x21, 0xf9, 0]) },
  {
    name: 'a GIF of tiny frames',
    image: repeat(gifExtension.slice(0, 13), [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0, 0]),
  },
  { name: 'a TIFF of entries', image: repeat([...tiffHead, 0xff, 0xff], tiffEntry) },
  { name: 'a TIFF of empty directories', image: tiffChain(0) },
  { name: 'a TIFF of directories of 2 entries', image: tiffChain(2) },
  { name: 'a TIFF of directories of 40 entries', image: tiffChain(40) },
]

function readHeader (image: Buffer, metadata: MetadataPolicy, chunkBytes = 65_536): ImageReader {
  const type = detectImageType(image)
  if (type === undefined) throw new Error('the type of the image is unknown')
  const reader = new ImageReader(type, metadata)
  for (let offset = 0; offset < image.length; offset += chunkBytes) {
    reader.write(image.subarray(offset, offset + chunkBytes))
  }
  return reader
}

function sumBytes (image: Buffer): number {
  let sum = 0
  for (let index = 0; index < image.length; index++) sum += image[index] ?? 0
  return sum
}

t.test('reading a header takes no longer than three plain passes over the image', async t => {
  for (const { name, image } of adversarialImages) {
    for (const metadata of ['strip', 'keep'] as const) {
      await t.test(`${name} is read in time where metadata is to ${metadata}`, async t => {
        let readUs = Infinity
        let passUs = Infinity
        // An interruption slows some of the measurements, and a slow reader all of them.
        for (let run = 0; run < 3 || (run < 20 && readUs > 3 * passUs); run++) {
          readUs = Math.min(readUs, measureUs(() => readHeader(image, metadata)))
          passUs = Math.min(passUs, measureUs(() => sumBytes(image)))
        }
        t.ok(readUs <= 3 * passUs, `${readUs} µs against ${passUs} µs`)
      })
    }
  }
})

/** A TIFF of one page with other entries than a common one. */
function tiffWith (...entries: Array<[tag: number, value: number]>): Buffer {
  const image = tiff()
  entries.forEach(([tag, value], index) => {
    const offset = 12 + (index + 2) * 12
    image.writeUInt16LE(tag, offset)
    image.writeUInt16LE(value, offset + 8)
  })
  return image
}

function canonRaw (): Buffer {
  const image = Buffer.concat([tiff().subarray(0, 8), Buffer.from('CR\x02\0'), Buffer.alloc(4), tiff().subarray(10)])
  image.writeUInt32LE(16, 4)
  return image
}

t.test('the result for an image does not depend on its chunks', async t => {
  const random = new Random(1)
  const garbage: Record<string, () => number> = {
    'random bytes': () => random.below(256),
    zeros: () => 0,
    'small numbers': () => random.below(3),
    'random bytes with many markers': () => random.chance(0.02) ? 0xff : random.below(256),
  }
  for (const [imageName, image] of Object.entries({ png: png(), jpeg: jpeg(), gif: gif(), bmp: bmp(), tiff: tiff() })) {
    for (const [name, next] of Object.entries(garbage)) {
      await t.test(`a ${imageName} with ${name} between its bytes has one result in chunks of any size`, async t => {
        for (let sample = 0; sample < 10; sample++) {
          const at = 18 + random.below(image.length - 18)
          const between = Buffer.from(Array.from({ length: random.below(5000) }, next))
          const whole = Buffer.concat([image.subarray(0, at), between, image.subarray(at)])
          const results = [1, 7, 32, 1000, size].map(chunkBytes => {
            const { state, pixels } = readHeader(whole, 'strip', chunkBytes)
            return `${state} ${pixels}`
          })
          t.equal(new Set(results).size, 1, results.join(', '))
        }
      })
    }
  }
})

t.test('an image that cannot be read is rejected by its type', async t => {
  const { usersUrl, emulator } = await startService(t)
  const incomplete = 'The header of the avatar is incomplete.'
  const fragmented = 'The avatar consists of too many small pieces.'
  const invalidLength =
    'The avatar is damaged: one of its parts declares an impossible length. Save it again as an image.'
  const raw = 'The avatar is a raw file of a camera, not a TIFF image.'
  const rows: Array<{ name: string, image: Buffer, detail: string }> = [
    { name: 'a PNG that ends in its header', image: png().subarray(0, 20), detail: incomplete },
    { name: 'a PNG that ends after its signature', image: png().subarray(0, 8), detail: incomplete },
    { name: 'a JPEG that ends before its frame', image: jpeg().subarray(0, 60), detail: incomplete },
    { name: 'a GIF that ends in its screen', image: gif().subarray(0, 12), detail: incomplete },
    { name: 'a BMP that ends in its second header', image: bmp().subarray(0, 22), detail: incomplete },
    { name: 'a TIFF that ends in its directory', image: tiff().subarray(0, 60), detail: incomplete },
    { name: 'a JPEG of stuffed bytes', image: repeat([0xff, 0xd8, 0xff], [0, 0xff]), detail: fragmented },
    { name: 'a GIF of blocks of 1 byte', image: repeat(gifExtension, [1]), detail: fragmented },
    { name: 'a TIFF of empty directories', image: tiffChain(0), detail: fragmented },
    {
      name: 'a JPEG segment without a length',
      image: Buffer.concat([jpeg().subarray(0, 2), Buffer.from([0xff, 0xe1, 0, 1]), jpeg().subarray(2)]),
      detail: invalidLength,
    },
    {
      name: 'a PNG chunk of 4 GB',
      image: Buffer.concat([png().subarray(0, 33), Buffer.from('\xff\xff\xff\xfftEXt', 'latin1')]),
      detail: invalidLength,
    },
    { name: 'a CR2 of Canon', image: canonRaw(), detail: raw },
    { name: 'a DNG', image: tiffWith([50_706, 1]), detail: raw },
    { name: 'a NEF of Nikon: a preview with a subdirectory', image: tiffWith([254, 1], [330, 8]), detail: raw },
    { name: 'an ARW of Sony: a camera and a subdirectory', image: tiffWith([271, 8], [330, 8]), detail: raw },
    { name: 'a PEF of Pentax: sensor data', image: tiffWith([262, 32_803]), detail: raw },
    { name: 'a PEF of Pentax: its own compression', image: tiffWith([259, 65_535]), detail: raw },
  ]
  for (const { name, image, detail } of rows) {
    await t.test(`${name} is avatar_type`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([avatarPart(image), ...janeParts]))
      t.match(response.json, { status: 415, code: 'avatar_type', detail })
    })
  }
  t.strictSame(emulator.apiRequests.filter(({ complete }) => complete), [])
})

t.test('a TIFF that has some entries of raw files is accepted', async t => {
  const { usersUrl } = await startService(t)
  const rows: Array<{ name: string, image: Buffer }> = [
    { name: 'an exported photo', image: tiffWith([271, 8]) },
    { name: 'an image with smaller versions in subdirectories', image: tiffWith([254, 0], [330, 8]) },
    { name: 'a preview', image: tiffWith([254, 1]) },
  ]
  for (const [index, { name, image }] of rows.entries()) {
    await t.test(`${name} is accepted`, async t => {
      const email = { name: 'user[email_address]', data: `j${index}@example.com` }
      const body = multipartBody([avatarPart(image), { name: 'user[last_name]', data: 'Doe' }, email])
      t.equal((await sendMultipart(usersUrl, body)).status, 201)
    })
  }
})
