/** Generates pictures with metadata, as phones and programs write them. Each metadata contains `privateText`. */
import { hash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import {
  exifData, multiPictureIndex, photoshopResources, privateText, xmpPacket, type ExifOptions
} from './exif.ts'
import { insertChunks, insertSegments, joinPng, segment, splitGif, splitPng, subBlocks } from './image-pieces.ts'

const width = 48
const height = 32

/** Returns a picture without symmetry, as pixels. The frames differ. */
function drawPixels (channels: 3 | 4, frames = 1): Sharp {
  const pixels = Buffer.alloc(width * height * frames * channels)
  for (let pixel = 0; pixel < width * height * frames; pixel++) {
    const x = pixel % width
    const y = Math.floor(pixel / width)
    pixels.set([x * 5, y * 7 % 256, (x * y) % 251, x < 10 ? 90 : 255].slice(0, channels), pixel * channels)
  }
  return sharp(pixels, { raw: { width, height: height * frames, channels, pageHeight: height } })
}

/** The encoded pictures to which metadata are added. They have none. */
export const plain = {
  jpeg: await drawPixels(3).jpeg().toBuffer(),
  jpegWithProfile: await drawPixels(3).withIccProfile('p3').jpeg().toBuffer(),
  progressiveJpeg: await drawPixels(3).jpeg({ progressive: true }).toBuffer(),
  greyJpeg: await drawPixels(3).toColourspace('b-w').jpeg().toBuffer(),
  cmykJpeg: await drawPixels(3).toColourspace('cmyk').withIccProfile('cmyk').jpeg().toBuffer(),
  png: await drawPixels(4).png().toBuffer(),
  pngWithProfile: await drawPixels(4).withIccProfile('p3').png().toBuffer(),
  palettePng: await drawPixels(4).png({ palette: true, colours: 16 }).toBuffer(),
  interlacedPng: await drawPixels(3).toColourspace('rgb16').png({ progressive: true }).toBuffer(),
  gif: await drawPixels(3).gif().toBuffer(),
  animatedGif: await drawPixels(4, 3).gif({ loop: 0, delay: [100, 200, 300] }).toBuffer(),
}

/** Returns an animated PNG (PNG §13) of three frames, of which the first is the still image. */
export function animatedPng (): Buffer {
  const still = splitPng(plain.png)
  const numbers = (...values: number[]) => Buffer.concat(values.map(value => {
    const buffer = Buffer.alloc(4)
    buffer.writeUInt32BE(value)
    return buffer
  }))
  const control = (sequence: number) => ({
    type: 'fcTL', data: Buffer.concat([numbers(sequence, width, height, 0, 0), Buffer.of(0, 10, 0, 100, 0, 0)]),
  })
  const frame = (sequence: number, level: number) => {
    const rows = Buffer.alloc(height * (width * 4 + 1), level)
    for (let row = 0; row < height; row++) rows[row * (width * 4 + 1)] = 0
    return { type: 'fdAT', data: Buffer.concat([numbers(sequence), deflateSync(rows)]) }
  }
  return joinPng(still.flatMap(chunk => {
    if (chunk.type === 'IHDR') return [chunk, { type: 'acTL', data: numbers(3, 0) }, control(0)]
    if (chunk.type === 'IEND') return [control(1), frame(2, 90), control(3), frame(4, 180), chunk]
    return [chunk]
  }))
}

export const exifSegment = (options?: ExifOptions) => segment(0xe1, 'Exif\0\0', exifData(options))
export const xmpSegment = (attributes?: string) =>
  segment(0xe1, 'http://ns.adobe.com/xap/1.0/\0', xmpPacket(attributes))
export const commentSegment = segment(0xfe, `made at ${privateText}`)

/** XMP that does not fit one segment. Adobe's programs spread it over further ones, which the first one names. */
function extendedXmpSegments (): Buffer[] {
  const extension = xmpPacket()
  const digest = hash('md5', extension).toUpperCase()
  const place = Buffer.alloc(8)
  place.writeUInt32BE(Buffer.byteLength(extension))
  return [
    xmpSegment(`xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="${digest}"`),
    segment(0xe1, 'http://ns.adobe.com/xmp/extension/\0', digest, place, extension),
  ]
}

const photoshopSegment = segment(0xed, photoshopResources())

/** The header of JFIF, with a thumbnail of 2 × 2 pixels. */
const jfifSegment = segment(0xe0, 'JFIF\0', Buffer.of(1, 2, 1, 0, 72, 0, 72, 2, 2), Buffer.alloc(12, 90))

/** The start of a video (ISO 14496-12) with the place where it was recorded. */
const video = Buffer.concat([
  Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0isommp42', 'latin1'),
  Buffer.from(`\0\0\0\x26moov\0\0\0\x1eudta\0\0\0\x16\xa9xyz\0\x0a\x15\xc7+34.4-119/${privateText}`, 'latin1'),
])

/** A thumbnail that has metadata of its own. */
const thumbnail = insertSegments(plain.greyJpeg, [exifSegment(), commentSegment])

/** Appends a second picture to a JPEG, with the index that says where it is. */
function withSecondPicture (image: Buffer, second: Buffer): Buffer {
  const index = segment(0xe2, multiPictureIndex(image.length, second.length, image.length))
  return Buffer.concat([insertSegments(image, [index]), second])
}

function iphoneJpeg (options: ExifOptions = {}): Buffer {
  const main = insertSegments(plain.jpegWithProfile, [
    exifSegment({ orientation: 6, byteOrder: 'big-endian', thumbnail, ...options }), xmpSegment(),
  ])
  return withSecondPicture(main, thumbnail)
}

function motionPhoto (): Buffer {
  const attributes = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" ' +
    `GCamera:MicroVideoOffset="${video.length}"`
  const segments = [exifSegment({ orientation: 3, byteOrder: 'little-endian', thumbnail }), xmpSegment(attributes)]
  return Buffer.concat([insertSegments(plain.jpeg, segments), video])
}

function ultraHdrJpeg (): Buffer {
  const attributes = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
  const iso = segment(0xe2, 'urn:iso:std:iso:ts:21496:-1\0', Buffer.alloc(4), privateText)
  const main = insertSegments(plain.jpegWithProfile, [exifSegment({ orientation: 8 }), xmpSegment(attributes), iso])
  return withSecondPicture(main, insertSegments(plain.greyJpeg, [xmpSegment(attributes), exifSegment()]))
}

/** Segments in which programs write what they like: FlashPix, Kodak, JUMBF, Picture Info, and more. */
export const vendorSegments = [
  segment(0xe0, 'JFXX\0\x10', thumbnail),
  segment(0xe2, 'FPXR\0\0', privateText),
  segment(0xe3, 'Meta\0\0', exifData()),
  segment(0xe4, privateText),
  segment(0xe5, 'RMETA\0\0\0', privateText),
  segment(0xe8, 'SPIFF\0', privateText),
  segment(0xea, 'UNICODE\0', privateText),
  segment(0xeb, 'JP\0\x01\0\0\0\x01', Buffer.of(0, 0, 0, 26), 'jumb', privateText),
  segment(0xec, `[picture info]\r\nPlace=${privateText}\r\n`),
  segment(0xee, 'not Adobe', privateText),
  segment(0xef, 'Q 90', privateText),
]

/** Segments that decoders need, with text after their data. */
export const longSegments = [
  segment(0xe0, 'JFIF\0', Buffer.of(1, 2, 1, 0, 72, 0, 72, 0, 0), privateText),
  segment(0xee, 'Adobe', Buffer.of(0, 100, 0, 0, 0, 0, 1), privateText),
]

const text = (type: string, ...parts: Array<string | Buffer>) =>
  ({ type, data: Buffer.concat(parts.map(part => Buffer.from(part))) })
const rawExifProfile = `\nexif\n${exifData().length}\n${exifData().toString('hex')}\n`

/** Chunks of PNG with metadata. */
export const pngMetadata = [
  text('tEXt', 'Comment\0', privateText),
  text('iTXt', 'XML:com.adobe.xmp\0\0\0\0\0', xmpPacket()),
  text('iTXt', 'Description\0\x01\0en\0\0', deflateSync(privateText)),
  text('zTXt', 'Raw profile type exif\0\0', deflateSync(rawExifProfile)),
  text('zTXt', 'Author\0\0', deflateSync(privateText)),
  text('tIME', Buffer.of(7, 0xea, 5, 4, 10, 11, 12)),
  text('caBX', Buffer.of(0, 0, 0, 26), 'jumb', privateText),
  text('dSIG', privateText),
  text('prVt', privateText),
]
/** Chunks that decoders need, with text after their data, except that most decoders reject them. */
export const longChunks = [
  text('gAMA', Buffer.of(0, 0, 0xb1, 0x8f), privateText),
  text('pHYs', Buffer.of(0, 0, 0, 1, 0, 0, 0, 1, 0), privateText),
  text('sRGB', Buffer.of(0), privateText),
  text('cHRM', Buffer.alloc(32, 1), privateText),
  text('tRNS', Buffer.alloc(256), privateText),
  text('bKGD', Buffer.alloc(6), privateText),
  text('sBIT', Buffer.of(8, 8, 8, 8), privateText),
  text('acTL', Buffer.alloc(8, 1), privateText),
  text('fcTL', Buffer.alloc(26, 1), privateText),
]
export const exifChunk = (options?: ExifOptions) => ({ type: 'eXIf', data: exifData(options) })

const application = (name: string, data: Buffer) =>
  Buffer.concat([Buffer.from([0x21, 0xff, 11]), Buffer.from(name, 'latin1'), data])
/** XMP is in a GIF without sub-blocks. It ends with 258 bytes that lead decoders of sub-blocks to its end. */
const gifXmp = application('XMP DataXMP', Buffer.concat([
  Buffer.from(xmpPacket()), Buffer.of(1), Buffer.from(Array.from({ length: 256 }, (_, index) => 255 - index)),
  Buffer.of(0),
]))
const gifComment = Buffer.concat([Buffer.from([0x21, 0xfe]), subBlocks(Buffer.from(privateText.repeat(30)))])
export const gifMetadata = [
  gifComment,
  gifXmp,
  application('MGK8BIM0000', subBlocks(photoshopResources().subarray(14))),
  application('PRIVATE1.00', subBlocks(Buffer.from(privateText))),
]
/** Extensions that decoders need, with text in more sub-blocks than they have. */
export const longExtensions = [
  Buffer.concat([Buffer.of(0x21, 0xf9, 4, 0, 10, 0, 0), subBlocks(Buffer.from(privateText))]),
  Buffer.concat([Buffer.of(0x21, 0xf9, 22, 0, 10, 0, 0), Buffer.from(privateText), Buffer.of(0)]),
  application('NETSCAPE2.0', Buffer.concat([Buffer.of(3, 1, 0, 0), subBlocks(Buffer.from(privateText))])),
]
const gifProfile = (profile: Buffer) => application('ICCRGBG1012', subBlocks(profile))

/** Puts blocks before a block of a GIF, other than the first one. */
export function insertBlocks (image: Buffer, blocks: readonly Buffer[], index: number): Buffer {
  return Buffer.concat(splitGif(image).toSpliced(index, 0, ...blocks))
}

export interface Picture {
  name: string
  image: Buffer
  /** Tags that exiftool must find in the picture as it was sent. */
  tags: string[]
  /** Whether the end is missing, so that decoders have to guess. */
  isTruncated?: boolean
}

const withoutEnd = (image: Buffer, bytes: number) => image.subarray(0, image.length - bytes)

const jpegPictures: Picture[] = [
  {
    name: 'a JPEG of an iPhone with place, orientation 6, preview and maker note',
    image: iphoneJpeg(),
    tags: ['GPS:GPSLatitude', 'IFD0:Orientation', 'IFD1:ThumbnailLength', 'MPImage2:MPImageLength', 'ICC-header:'],
  },
  {
    name: 'a JPEG of Android with XMP and the video of a motion photo after its end',
    image: motionPhoto(),
    tags: ['GPS:GPSLatitude', 'XMP-GCamera:MotionPhoto', 'IFD0:Orientation'],
  },
  {
    name: 'a JPEG in Ultra HDR with a gain map after its end',
    image: ultraHdrJpeg(),
    tags: ['XMP-hdrgm:Version', 'MPImage2:', 'GPS:GPSLatitude'],
  },
  {
    name: 'a JPEG of Photoshop with IPTC, Exif, XMP and extended XMP',
    image: insertSegments(plain.jpegWithProfile, [
      exifSegment({ orientation: 1 }), photoshopSegment, ...extendedXmpSegments(),
    ]),
    tags: ['IPTC:City', 'XMP-photoshop:City', 'GPS:GPSLatitude', 'ICC-header:'],
  },
  {
    name: 'a JPEG with comments',
    image: insertSegments(plain.jpeg, [commentSegment, commentSegment]),
    tags: ['File:Comment'],
  },
  {
    name: 'a progressive JPEG with metadata between its scans',
    image: insertSegments(
      insertSegments(plain.progressiveJpeg, [commentSegment, exifSegment({ orientation: 5 })], 3),
      [exifSegment({ orientation: 7 })]
    ),
    tags: ['GPS:GPSLatitude'],
  },
  {
    name: 'a JPEG with a thumbnail in its JFIF header, and Exif',
    image: insertSegments(plain.jpeg, [jfifSegment, exifSegment({ orientation: 4 })]),
    tags: ['JFIF:ThumbnailWidth', 'GPS:GPSLatitude'],
  },
  {
    name: 'a JPEG in CMYK of Adobe',
    image: insertSegments(plain.cmykJpeg, [exifSegment({ orientation: 2 }), photoshopSegment]),
    tags: ['Adobe:ColorTransform', 'ICC_Profile:ProfileDescription', 'IPTC:City', 'GPS:GPSLatitude'],
  },
  {
    name: 'a JPEG with segments of many vendors',
    image: insertSegments(plain.jpeg, vendorSegments),
    tags: ['PictureInfo:Place'],
  },
  {
    name: 'a JPEG with fill bytes before its markers',
    image: insertSegments(plain.jpeg, [Buffer.of(0xff, 0xff), exifSegment({ orientation: 6 }), Buffer.of(0xff)]),
    tags: ['GPS:GPSLatitude'],
  },
  {
    name: 'a JPEG without its end marker',
    image: withoutEnd(insertSegments(plain.jpeg, [exifSegment({ orientation: 6 }), commentSegment]), 2),
    tags: ['GPS:GPSLatitude'],
    isTruncated: true,
  },
  {
    name: 'a JPEG with half of its end marker',
    image: withoutEnd(insertSegments(plain.jpeg, [exifSegment({ orientation: 6 })]), 1),
    tags: ['GPS:GPSLatitude'],
    isTruncated: true,
  },
]

const pngPictures: Picture[] = [
  {
    name: 'a PNG screenshot with texts, time and Exif',
    image: insertChunks(plain.pngWithProfile, [exifChunk({ orientation: 6 }), ...pngMetadata], 'IDAT'),
    tags: ['PNG:Comment', 'PNG:ModifyDate', 'XMP-photoshop:City', 'GPS:GPSLatitude', 'ICC-header:'],
  },
  {
    name: 'a PNG with metadata after its pixels and after its end',
    image: Buffer.concat([
      insertChunks(
        plain.palettePng, [exifChunk({ orientation: 8, byteOrder: 'little-endian' }), ...pngMetadata], 'IEND'
      ),
      iphoneJpeg(),
    ]),
    tags: ['PNG:Comment', 'GPS:GPSLatitude'],
  },
  {
    name: 'an interlaced PNG of 16 bits with metadata',
    image: insertChunks(plain.interlacedPng, pngMetadata, 'IDAT'),
    tags: ['PNG:Comment', 'XMP-photoshop:City'],
  },
  {
    name: 'an animated PNG with metadata between its frames',
    image: insertChunks(insertChunks(animatedPng(), pngMetadata, 'fdAT'), [exifChunk({ orientation: 3 })], 'acTL'),
    tags: ['PNG:AnimationFrames', 'PNG:Comment', 'GPS:GPSLatitude'],
  },
]

const profile = (await sharp(plain.jpegWithProfile).metadata()).icc ?? Buffer.alloc(0)

const gifPictures: Picture[] = [
  {
    name: 'an animated GIF with comments and XMP',
    image: insertBlocks(insertBlocks(insertBlocks(plain.animatedGif, gifMetadata, -1), gifMetadata, 4), gifMetadata, 1),
    tags: ['File:Comment', 'XMP-photoshop:City', 'GIF:FrameCount'],
  },
  {
    name: 'a GIF with a colour profile, metadata, and more after its end',
    image: Buffer.concat([insertBlocks(plain.gif, [gifProfile(profile), ...gifMetadata], 1), motionPhoto()]),
    tags: ['File:Comment', 'ICC_Profile:ProfileDescription'],
  },
]

export const picturesWithMetadata: readonly Picture[] = [...jpegPictures, ...pngPictures, ...gifPictures]

const byteOrders = ['little-endian', 'big-endian'] as const

/** Pictures in each orientation, and with Exif in each byte order. */
export const orientedPictures: readonly Picture[] = [1, 2, 3, 4, 5, 6, 7, 8].flatMap(orientation =>
  byteOrders.flatMap(byteOrder => {
    const options = { orientation, byteOrder }
    const tags = ['IFD0:Orientation', 'GPS:GPSLatitude']
    const png = insertChunks(plain.png, [exifChunk(options)], 'IDAT')
    return [
      { name: `a JPEG with orientation ${orientation} in ${byteOrder} Exif`, image: iphoneJpeg(options), tags },
      { name: `a PNG with orientation ${orientation} in ${byteOrder} Exif`, image: png, tags },
    ]
  }))
