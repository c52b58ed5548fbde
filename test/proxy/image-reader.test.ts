// Metadata of JPEG, PNG and GIF is removed while the bytes pass through, wherever a chunk ends.
import { crc32 } from 'node:zlib'
import t, { type Test } from 'tap'
import { detectImageType } from '../../src/proxy/image/signature.ts'
import { ImageReader, type MetadataPolicy } from '../../src/proxy/image/reader.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'

/** Joins bytes and Latin-1 texts. */
const bytes = (...parts: Array<string | number[] | Buffer>) =>
  Buffer.concat(parts.map(part => typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)))

/** Returns what is sent of an image that comes in such chunks, and the state of its reader. */
function read (chunks: Buffer[], metadata: MetadataPolicy = 'strip'): { sent: Buffer, state: string } {
  const type = detectImageType(Buffer.concat(chunks))
  if (type === undefined) throw new Error('the type of the image is unknown')
  const reader = new ImageReader(type, metadata)
  // The memory of a chunk is used again, so what is sent later must not depend on it.
  const sent = chunks.map(chunk => {
    const memory = Buffer.from(chunk)
    const copy = Buffer.from(reader.write(memory))
    memory.fill(0xee)
    return copy
  })
  return { sent: Buffer.concat([...sent, reader.end()]), state: reader.state }
}

/** All ways to split an image once, and chunks of 1, 2, 3 and 7 bytes. */
function * split (image: Buffer): Generator<Buffer[]> {
  for (let at = 0; at <= image.length; at++) yield [image.subarray(0, at), image.subarray(at)]
  for (const chunkBytes of [1, 2, 3, 7]) {
    const chunks: Buffer[] = []
    for (let at = 0; at < image.length; at += chunkBytes) chunks.push(image.subarray(at, at + chunkBytes))
    yield chunks
  }
}

interface Row {
  name: string
  image: Buffer
  sent: Buffer
}

const untouched = (name: string, image: Buffer): Row => ({ name, image, sent: image })

async function checkRows (t: Test, rows: Row[], verb: string): Promise<void> {
  for (const { name, image, sent } of rows) {
    await t.test(`${name} ${verb}`, async t => {
      const results = [...split(image)].map(chunks => read(chunks))
      t.equal(results[0]?.sent.toString('latin1'), sent.toString('latin1'))
      t.equal(results[0]?.state, 'complete')
      t.strictSame(results.filter(result => !result.sent.equals(sent)), [], 'where the chunks end makes no difference')
      t.strictSame(read([image], 'keep').sent, image, 'AVATAR_METADATA=keep sends it unchanged')
    })
  }
}

// JPEG (ITU T.81)

function segment (code: number, ...payload: Parameters<typeof bytes>): Buffer {
  const data = bytes(...payload)
  return bytes([0xff, code, (data.length + 2) >> 8, (data.length + 2) & 0xff], data)
}

const soi = bytes([0xff, 0xd8])
const eoi = bytes([0xff, 0xd9])
const jfif = segment(0xe0, 'JFIF\0', [1, 1, 0, 0, 72, 0, 72, 0, 0])
const adobe = segment(0xee, 'Adobe', [0, 100, 0, 0, 0, 0, 2])
const icc = segment(0xe2, 'ICC_PROFILE\0', [1, 1], 'profile \xff\xe1\xff\xd9')
const quantization = segment(0xdb, [0], Buffer.alloc(64, 1))
const frame = segment(0xc2, [8, 0, 1, 0, 1, 1, 1, 0x11, 0])
const huffman = segment(0xc4, 'table \xff\xfe')
const scan = segment(0xda, [1, 1, 0, 0, 63, 0])
const data = bytes([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0, 0xff, 0xd7, 5, 6, 7])
const image = bytes(quantization, frame, huffman, scan, data)

/** A TIFF block (CIPA DC-008 §4.5) with an orientation among other entries. */
function exif (
  orientation: number,
  options: { littleEndian?: boolean, offset?: number, type?: number, count?: number } = {}
): Buffer {
  const { littleEndian = false, offset = 8, type = 3, count = 1 } = options
  const block = Buffer.alloc(offset + 2 + 3 * 12 + 4 + 20, 'GPS ')
  const write16 = (value: number, at: number) =>
    littleEndian ? block.writeUInt16LE(value, at) : block.writeUInt16BE(value, at)
  const write32 = (value: number, at: number) =>
    littleEndian ? block.writeUInt32LE(value, at) : block.writeUInt32BE(value, at)
  block.write(littleEndian ? 'II*\0' : 'MM\0*', 'latin1')
  write32(offset, 4)
  write16(3, offset)
  for (const [index, tag] of [0x010f, 0x0112, 0x8825].entries()) {
    const at = offset + 2 + index * 12
    write16(tag, at)
    write16(tag === 0x0112 ? type : 4, at + 2)
    write32(tag === 0x0112 ? count : 1, at + 4)
    write32(30, at + 8)
    if (tag !== 0x0112) continue
    if (type === 1) block.writeUInt8(orientation, at + 8)
    else if (type === 3) write16(orientation, at + 8)
    else write32(orientation, at + 8)
  }
  write32(0, offset + 2 + 3 * 12)
  return block
}

const orientationAlone = (orientation: number) =>
  bytes('MM\0*', [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0])
const exifSegment = (block: Buffer) => segment(0xe1, 'Exif\0\0', block)
const xmp = segment(0xe1, 'http://ns.adobe.com/xap/1.0/\0', '<x:xmpmeta GPSLatitude/>')
const multiPicture = segment(0xe2, 'MPF\0', 'MM\0*')
const comment = segment(0xfe, 'a comment with markers \xff\xd9 \xff\xda')
const iptc = segment(0xed, 'Photoshop 3.0\0', '8BIM')

t.test('a JPEG without metadata is sent byte for byte', async t => {
  await checkRows(t, [
    untouched('a JPEG of a library', jpeg()),
    untouched('a JPEG with JFIF, a profile and a colour transform', bytes(soi, jfif, icc, adobe, image, eoi)),
    untouched('a JPEG of several scans', bytes(soi, image, huffman, scan, data, scan, data, eoi)),
    untouched('a JPEG with fill bytes before markers', bytes(soi, [0xff, 0xff], image, [0xff, 0xff], eoi)),
    untouched('a JPEG with fill bytes in its data', bytes(soi, image, [0xff, 0xff, 0, 1, 0xff, 0xff, 0xd1, 2], eoi)),
    untouched('a JPEG without an end', bytes(soi, image)),
    untouched('a JPEG with all segments of T.81', bytes(
      soi, quantization, segment(0xcc, 'conditioning'), segment(0xdd, [0, 1]), segment(0xde, 'hierarchy'), frame,
      segment(0xdf, [0x11]), huffman, scan, data, segment(0xdc, [0, 1]), eoi
    )),
  ], 'is sent unchanged')
})

t.test('the metadata of a JPEG is left out', async t => {
  const clean = bytes(soi, jfif, image, eoi)
  const rows: Array<[name: string, image: Buffer]> = [
    ['Exif', bytes(soi, jfif, exifSegment(exif(1)), image, eoi)],
    ['XMP', bytes(soi, jfif, xmp, image, eoi)],
    ['extended XMP', bytes(soi, jfif, segment(0xe1, 'http://ns.adobe.com/xmp/extension/\0', 'GPS'), image, eoi)],
    ['IPTC of Photoshop', bytes(soi, jfif, iptc, image, eoi)],
    ['a comment', bytes(soi, jfif, comment, image, eoi)],
    ['an empty comment', bytes(soi, jfif, segment(0xfe), image, eoi)],
    ['an index of more pictures', bytes(soi, jfif, multiPicture, image, eoi)],
    ['a manifest in JUMBF', bytes(soi, jfif, segment(0xeb, 'JP', [0, 1], 'jumb'), image, eoi)],
    ['a JFIF extension with a thumbnail', bytes(soi, jfif, segment(0xe0, 'JFXX\0', [0x10], jpeg()), image, eoi)],
    ['a JFIF segment that is too short', bytes(soi, jfif, segment(0xe0, 'JFIF\0', [1]), image, eoi)],
    ['a JFIF segment with a thumbnail', bytes(
      soi, segment(0xe0, 'JFIF\0', [1, 1, 0, 0, 72, 0, 72, 1, 1], 'RGB'), image, eoi
    )],
    ['a number of lines that is too long', bytes(soi, jfif, segment(0xdc, [0, 1], 'GPS'), image, eoi)],
    ['bytes between its segments', bytes(soi, jfif, 'GPS', image, eoi)],
    ['stray markers and bytes', bytes(soi, jfif, [0xff, 0, 0xff, 0xd3, 0xff, 0x01, 0xff, 0xd8], image, eoi)],
    ['segments that T.81 reserves', bytes(
      soi, jfif, segment(0xf0, 'GPS'), segment(0x02, 'GPS'), segment(0xc8, 'GPS'), image, eoi
    )],
    ['a video after its end', bytes(clean, 'ftypmp42 GPS', eoi)],
    ['a second picture after its end', bytes(clean, soi, exifSegment(exif(6)), image, eoi)],
  ]
  await checkRows(t, [
    ...rows.map(([name, image]) => ({ name: `a JPEG with ${name}`, image, sent: clean })),
    {
      name: 'a JPEG with metadata between its scans',
      image: bytes(soi, image, comment, xmp, huffman, exifSegment(exif(1)), scan, data, iptc, eoi),
      sent: bytes(soi, image, huffman, scan, data, eoi),
    },
    {
      name: 'a JPEG with data after a comment, which decoders skip',
      image: bytes(soi, image, comment, data, eoi),
      sent: bytes(soi, image, eoi),
    },
    {
      name: 'a JPEG with a long Adobe segment',
      image: bytes(soi, segment(0xee, 'Adobe', [0, 100, 0, 0, 0, 0, 2], 'GPS'), image, eoi),
      sent: bytes(soi, adobe, image, eoi),
    },
    {
      name: 'a JPEG that ends in a comment',
      image: bytes(soi, image, comment.subarray(0, 9)),
      sent: bytes(soi, image),
    },
    { name: 'a JPEG that ends in a marker', image: bytes(soi, image, [0xff, 0xe1, 0]), sent: bytes(soi, image) },
  ], 'is sent without it')
})

t.test('the orientation of a JPEG is kept', async t => {
  const rotated = (orientation: number) => bytes(soi, exifSegment(orientationAlone(orientation)), image, eoi)
  const upright = bytes(soi, image, eoi)
  const rows: Array<[name: string, block: Buffer, sent: Buffer]> = [
    ['mirrored', exif(2), rotated(2)],
    ['rotated', exif(6), rotated(6)],
    ['rotated, in little endian', exif(8, { littleEndian: true }), rotated(8)],
    ['rotated, with its directory at the end', exif(3, { offset: 300 }), rotated(3)],
    ['rotated, with a long number', exif(6, { type: 4 }), rotated(6)],
    ['rotated, with a number of one byte', exif(6, { type: 1 }), rotated(6)],
    ['rotated, with a number of one byte, in little endian', exif(6, { type: 1, littleEndian: true }), rotated(6)],
    ['rotated, and nothing else', orientationAlone(5), rotated(5)],
    ['upright', exif(1), upright],
    ['an unknown orientation', exif(9), upright],
    ['an orientation of another type', exif(6, { type: 2 }), upright],
    ['two orientations', exif(6, { count: 2 }), upright],
    ['an empty Exif block', Buffer.alloc(0), upright],
    ['a directory beyond the segment', bytes('MM\0*', [0, 0, 1, 0], 'GPS'), upright],
    ['a directory in the header', bytes('MM\0*', [0, 0, 0, 2], 'GPS'), upright],
    ['more entries than the segment has', bytes('MM\0*', [0, 0, 0, 8, 0xff, 0xff, 1, 2, 3]), upright],
    ['an unknown byte order', bytes('ZZ\0*', exif(6).subarray(4)), upright],
  ]
  await checkRows(t, [
    ...rows.map(([name, block, sent]) => ({
      name: `a JPEG with Exif (${name})`, image: bytes(soi, exifSegment(block), image, eoi), sent,
    })),
    {
      name: 'a JPEG with two Exif segments, of which the first counts,',
      image: bytes(soi, exifSegment(exif(6)), exifSegment(exif(8)), image, eoi),
      sent: rotated(6),
    },
    {
      name: 'a JPEG with Exif between JFIF and XMP',
      image: bytes(soi, jfif, exifSegment(exif(6)), xmp, image, eoi),
      sent: bytes(soi, jfif, exifSegment(orientationAlone(6)), image, eoi),
    },
  ], 'is sent with the orientation alone')
})

// PNG

function chunk (type: string, ...payload: Parameters<typeof bytes>): Buffer {
  const data = bytes(...payload)
  const numbers = Buffer.alloc(8)
  numbers.writeUInt32BE(data.length)
  numbers.writeUInt32BE(crc32(bytes(type, data)), 4)
  return bytes(numbers.subarray(0, 4), type, data, numbers.subarray(4))
}

const signature = bytes('\x89PNG\r\n\x1a\n')
const header = chunk('IHDR', [0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0])
const imageData = bytes(chunk('IDAT', 'first part'), chunk('IDAT', 'second part'))
const end = chunk('IEND')
const pngOf = (...chunks: Buffer[]) => bytes(signature, header, ...chunks, end)

t.test('a PNG without metadata is sent byte for byte', async t => {
  const rendering = [
    'PLTE', 'cHRM', 'cICP', 'gAMA', 'iCCP', 'mDCV', 'cLLI', 'sBIT', 'sRGB', 'bKGD', 'hIST', 'tRNS', 'pHYs',
    'acTL', 'fcTL', 'fdAT',
  ]
  await checkRows(t, [
    untouched('a PNG of a library', png(3)),
    ...rendering.map(type => untouched(`a PNG with ${type}`, pngOf(chunk(type, 'a'), imageData))),
    untouched('a PNG without an end', bytes(signature, header, imageData)),
    untouched('a PNG with a wrong checksum', pngOf(chunk('gAMA', 'data').fill(0, 12), imageData)),
  ], 'is sent unchanged')
})

t.test('the metadata of a PNG is left out', async t => {
  const clean = pngOf(imageData)
  const dropped = ['tEXt', 'iTXt', 'zTXt', 'tIME', 'eXIf', 'caBX', 'iDOT', 'vpAg', 'orNT', 'prVt', 'TEXT', 'sPLT']
  const tooLong: Array<[type: string, maxBytes: number]> = [
    ['PLTE', 768], ['cHRM', 32], ['cICP', 4], ['gAMA', 4], ['mDCV', 24], ['cLLI', 8], ['sBIT', 4], ['sRGB', 1],
    ['bKGD', 6], ['hIST', 512], ['tRNS', 256], ['pHYs', 9], ['acTL', 8], ['fcTL', 26],
  ]
  await checkRows(t, [
    ...dropped.flatMap(type => [
      { name: `a PNG with ${type} before its data`, image: pngOf(chunk(type, 'GPS'), imageData), sent: clean },
      { name: `a PNG with ${type} after its data`, image: pngOf(imageData, chunk(type, 'GPS')), sent: clean },
    ]),
    ...tooLong.map(([type, maxBytes]) => ({
      name: `a PNG with ${type} of ${maxBytes + 1} bytes`,
      image: pngOf(chunk(type, Buffer.alloc(maxBytes + 1, 'GPS')), imageData),
      sent: clean,
    })),
    { name: 'a PNG with an empty text', image: pngOf(chunk('tEXt'), imageData), sent: clean },
    { name: 'a PNG with bytes after its end', image: bytes(clean, 'GPS', chunk('tEXt', 'GPS')), sent: clean },
    { name: 'a PNG with data in its end', image: bytes(clean.subarray(0, -12), chunk('IEND', 'GPS')), sent: clean },
    {
      name: 'a PNG that ends in a text',
      image: bytes(signature, header, imageData, chunk('tEXt', 'GPS').subarray(0, 10)),
      sent: bytes(signature, header, imageData),
    },
    {
      name: 'a PNG with texts between frames of an animation',
      image: pngOf(chunk('acTL', 'a'), imageData, chunk('tEXt', 'GPS'), chunk('fcTL', 'b'), chunk('fdAT', 'c')),
      sent: pngOf(chunk('acTL', 'a'), imageData, chunk('fcTL', 'b'), chunk('fdAT', 'c')),
    },
  ], 'is sent without it')
})

t.test('the orientation of a PNG is kept', async t => {
  const rotated = (orientation: number) => pngOf(chunk('eXIf', orientationAlone(orientation)), imageData)
  const rows: Array<[name: string, block: Buffer, sent: Buffer]> = [
    ['rotated', exif(6), rotated(6)],
    ['rotated, in little endian', exif(8, { littleEndian: true }), rotated(8)],
    ['rotated, with its directory at the end', exif(3, { offset: 300 }), rotated(3)],
    ['upright', exif(1), pngOf(imageData)],
  ]
  await checkRows(t, [
    ...rows.map(([name, block, sent]) => ({
      name: `a PNG with eXIf (${name})`, image: pngOf(chunk('eXIf', block), imageData), sent,
    })),
    {
      name: 'a PNG with eXIf after its data',
      image: pngOf(imageData, chunk('tEXt', 'GPS'), chunk('eXIf', exif(6))),
      sent: pngOf(imageData, chunk('eXIf', orientationAlone(6))),
    },
  ], 'is sent with the orientation alone')
})

// GIF

const screen = bytes('GIF89a', [1, 0, 1, 0, 0x80, 0, 0], 'RGBRGB')
const control = bytes([0x21, 0xf9, 4, 1, 0, 0, 0, 0])
const gifFrame = bytes([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0])
const smallFrame = bytes([0x2c, 0, 0, 0, 0, 8, 0, 8, 0, 0, 8, 24], Buffer.alloc(24), [0])
const application = (name: string, ...blocks: Parameters<typeof bytes>) => bytes([0x21, 0xff, 11], name, ...blocks, [0])
const loop = application('NETSCAPE2.0', [3, 1, 0, 0])
const trailer = bytes([0x3b])
/** The packet is not in blocks; the end of it leads any decoder to its last byte (XMP part 3 §1.1.2). */
const gifXmp = application(
  'XMP DataXMP', '<x:xmpmeta>GPS</x:xmpmeta>', [1], Array.from({ length: 256 }, (_, index) => 255 - index)
)

t.test('a GIF without metadata is sent byte for byte', async t => {
  await checkRows(t, [
    untouched('a GIF of a library', gif()),
    untouched('an animated GIF', bytes(screen, loop, control, gifFrame, control, gifFrame, trailer)),
    untouched('a GIF with repetitions by another name', bytes(
      screen, application('ANIMEXTS1.0', [3, 1, 0, 0]), gifFrame, trailer
    )),
    untouched('a GIF with a profile', bytes(screen, application('ICCRGBG1012', [4], 'data'), gifFrame, trailer)),
    untouched('a GIF without a trailer', bytes(screen, control, gifFrame)),
    untouched('a GIF with a colour table of a frame', bytes(
      screen, [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0x80], 'RGBRGB', [2, 2, 0x44, 1, 0], trailer
    )),
  ], 'is sent unchanged')
})

t.test('the metadata of a GIF is left out', async t => {
  const clean = bytes(screen, control, gifFrame, trailer)
  const rows: Array<[name: string, metadata: Buffer]> = [
    ['a comment', bytes([0x21, 0xfe, 3], 'GPS', [2], '!;', [0])],
    ['an empty comment', bytes([0x21, 0xfe, 0])],
    ['XMP', gifXmp],
    ['an unknown application', application('GPSGPSGPS10', [3], 'GPS')],
    ['an application whose name is too short', bytes([0x21, 0xff, 3], 'GPS', [0])],
    ['a text that no decoder draws', bytes([0x21, 0x01, 12], 'GPSGPSGPSGPS', [0])],
    ['an unknown extension', bytes([0x21, 0x42, 3], 'GPS', [0])],
    ['empty blocks', bytes([0, 0])],
    ['a graphic control that is too short', bytes([0x21, 0xf9, 3], 'GPS', [0])],
  ]
  await checkRows(t, [
    ...rows.flatMap(([name, metadata]) => [
      {
        name: `a GIF with ${name} before its frame`,
        image: bytes(screen, metadata, control, gifFrame, trailer),
        sent: clean,
      },
      {
        name: `a GIF with ${name} after its frame`,
        image: bytes(screen, control, gifFrame, metadata, trailer),
        sent: clean,
      },
    ]),
    {
      name: 'a GIF with a text behind a graphic control',
      image: bytes(screen, control.subarray(0, -1), [3], 'GPS', [4], 'GPS2', [0], gifFrame, trailer),
      sent: clean,
    },
    {
      name: 'a GIF with a text in a graphic control',
      image: bytes(screen, [0x21, 0xf9, 7, 1, 0, 0, 0], 'GPS', [0], gifFrame, trailer),
      sent: clean,
    },
    {
      name: 'a GIF with a text behind its repetitions',
      image: bytes(screen, application('NETSCAPE2.0', [3, 1, 0, 0, 3], 'GPS', [5], 'GPSGP'), gifFrame, trailer),
      sent: bytes(screen, loop, gifFrame, trailer),
    },
    {
      name: 'a GIF with a text behind a buffer size',
      image: bytes(screen, application('NETSCAPE2.0', [5, 2, 0, 0, 0, 0, 4], 'GPS2'), gifFrame, trailer),
      sent: bytes(screen, application('NETSCAPE2.0', [5, 2, 0, 0, 0, 0]), gifFrame, trailer),
    },
    { name: 'a GIF with bytes after its trailer', image: bytes(clean, 'GPS', clean), sent: clean },
    {
      name: 'a GIF with bytes that are no block',
      image: bytes(screen, control, gifFrame, [0x47], 'PS'),
      sent: bytes(screen, control, gifFrame),
    },
    {
      name: 'a GIF that ends in a comment',
      image: bytes(screen, control, gifFrame, [0x21, 0xfe, 9], 'GPS'),
      sent: bytes(screen, control, gifFrame),
    },
  ], 'is sent without it')
})

t.test('a format whose metadata cannot be left out is sent byte for byte', async t => {
  await checkRows(t, [
    untouched('a TIFF', tiff()),
    untouched('a BMP', bmp()),
    untouched('a BMP with more bytes after its image', bytes(bmp(), 'GPS')),
  ], 'is sent unchanged')
})

t.test('a truncated image without metadata is sent byte for byte', async t => {
  const jpegHead = bytes(soi, jfif, icc, adobe, quantization, frame)
  const rows: Array<{ name: string, head: Buffer, rest: Buffer }> = [
    { name: 'a JPEG', head: jpegHead, rest: bytes(huffman, scan, data, huffman, [0xff, 0xff], scan, data, eoi) },
    { name: 'a PNG', head: bytes(signature, header), rest: bytes(chunk('gAMA', [0, 0, 0, 1]), imageData) },
    { name: 'a GIF', head: screen, rest: bytes(loop, control, smallFrame, control, smallFrame) },
  ]
  for (const { name, head, rest } of rows) {
    await t.test(`${name} that ends anywhere is sent unchanged`, async t => {
      const images = Array.from({ length: rest.length }, (_, count) => bytes(head, rest.subarray(0, count)))
      const splits = images.flatMap(image => [[image], [...image].map(byte => bytes([byte]))])
      t.strictSame(splits.filter(chunks => !read(chunks).sent.equals(Buffer.concat(chunks))), [])
    })
  }
})

t.test('metadata at the end of a truncated JPEG is left out', async t => {
  const rows: Array<{ name: string, metadata: Buffer }> = [
    { name: 'a comment', metadata: segment(0xfe, 'private text') },
    { name: 'an Exif segment', metadata: exifSegment(exif(1)) },
    { name: 'an application segment', metadata: segment(0xe2, 'private text') },
    { name: 'a reserved segment', metadata: segment(0xf0, 'private text') },
  ]
  const clean = bytes(soi, image)
  t.ok(read([bytes(clean, segment(0xdc, [0, 1], 'private').subarray(0, 9))]).sent.equals(clean), 'a number of lines')
  for (const { name, metadata } of rows) {
    await t.test(`${name} that ends anywhere after its marker is left out`, async t => {
      const images = Array.from({ length: metadata.length - 2 }, (_, count) =>
        bytes(clean, metadata.subarray(0, 2 + count)))
      t.strictSame(images.filter(image => !read([image]).sent.equals(clean)), [])
    })
  }
})

t.test('an impossible length is an error', async t => {
  const rows: Array<{ name: string, image: Buffer }> = [
    { name: 'a JPEG segment of length 0', image: bytes(soi, [0xff, 0xe1, 0, 0], image, eoi) },
    { name: 'a JPEG segment of length 1', image: bytes(soi, image, [0xff, 0xfe, 0, 1], eoi) },
    { name: 'a PNG chunk of 2^31 bytes', image: pngOf(bytes([0x80, 0, 0, 0], 'tEXt'), imageData) },
    { name: 'a PNG chunk of 2^32 - 1 bytes', image: pngOf(imageData, bytes([0xff, 0xff, 0xff, 0xff], 'IDAT')) },
  ]
  for (const { name, image } of rows) {
    await t.test(`${name} is found in chunks of any size`, async t => {
      t.strictSame([...split(image)].map(chunks => read(chunks).state).filter(state => state !== 'invalid_length'), [])
    })
  }
})

t.test('an image of common structure is not too fragmented', async t => {
  const restarts = Buffer.alloc(500_000, Buffer.from([1, 2, 3, 4, 5, 0xff, 0xd0]))
  const rows: Array<{ name: string, image: Buffer }> = [
    { name: 'a JPEG with a restart marker after each unit', image: bytes(soi, image, restarts, eoi) },
    { name: 'a JPEG of dark noise', image: bytes(soi, image, Buffer.alloc(500_000, Buffer.from([0xff, 0])), eoi) },
    { name: 'a JPEG of 100 scans', image: bytes(soi, image, ...new Array<Buffer>(100).fill(bytes(scan, data)), eoi) },
    { name: 'a PNG of 1,000 chunks', image: pngOf(...new Array<Buffer>(1000).fill(chunk('IDAT', Buffer.alloc(64)))) },
    {
      name: 'a PNG of 500 small frames',
      image: pngOf(...new Array<Buffer>(500).fill(bytes(chunk('fcTL', Buffer.alloc(26)), chunk('fdAT', 'small')))),
    },
    {
      name: 'a GIF of 1,000 small frames',
      image: bytes(screen, ...new Array<Buffer>(1000).fill(bytes(control, smallFrame))),
    },
    {
      name: 'a GIF of 1,000 frames of one pixel',
      image: bytes(screen, ...new Array<Buffer>(1000).fill(bytes(control, gifFrame))),
    },
    { name: 'a JPEG with 4,000 fill bytes', image: bytes(soi, image, Buffer.alloc(4000, 0xff), eoi) },
  ]
  for (const { name, image } of rows) {
    await t.test(`${name} is sent unchanged`, async t => {
      const { sent, state } = read([image])
      t.equal(state, 'complete')
      t.ok(sent.equals(image))
    })
  }
})
