/** Mutates images: puts metadata anywhere, and damages, doubles, moves, and removes their pieces. */
import {
  animatedPng, commentSegment, exifChunk, exifSegment, gifMetadata, longChunks, longExtensions, longSegments, plain,
  pngMetadata, vendorSegments, xmpSegment
} from '../helpers/pictures.ts'
import { pngChunk, pngSignature, splitGif, splitJpeg, splitPng } from '../helpers/image-pieces.ts'
import type { Random } from '../helpers/random.ts'

/** A format: its images in pieces, pieces of metadata, and where the length of a piece is. */
interface Format {
  images: readonly [Buffer[], ...Buffer[][]]
  metadata: readonly [Buffer, ...Buffer[]]
  lengthOffset: number
}

const jpegPieces = (image: Buffer) => splitJpeg(image).map(({ bytes }) => bytes)
const pngPieces = (image: Buffer) => [pngSignature, ...splitPng(image).map(pngChunk)]
const orientations = [1, 3, 6, 8, 0, 9, 65_535]

const formats: readonly [Format, ...Format[]] = [
  {
    images: [
      jpegPieces(plain.jpeg), jpegPieces(plain.jpegWithProfile), jpegPieces(plain.progressiveJpeg),
      jpegPieces(plain.greyJpeg),
    ],
    metadata: [
      commentSegment, xmpSegment(), ...vendorSegments, ...longSegments, Buffer.alloc(3, 0xff),
      ...orientations.map(orientation => exifSegment({ orientation })),
      exifSegment({ orientation: 6, byteOrder: 'little-endian', thumbnail: plain.jpeg }),
    ],
    lengthOffset: 2,
  },
  {
    images: [
      pngPieces(plain.png), pngPieces(plain.palettePng), pngPieces(plain.interlacedPng), pngPieces(animatedPng()),
    ],
    metadata: [
      pngChunk(exifChunk()), ...[...pngMetadata, ...longChunks].map(pngChunk),
      ...orientations.map(orientation => pngChunk(exifChunk({ orientation }))),
    ],
    lengthOffset: 0,
  },
  {
    images: [splitGif(plain.gif), splitGif(plain.animatedGif)],
    metadata: [Buffer.of(0x21, 0xfe, 0), ...gifMetadata, ...longExtensions],
    lengthOffset: 2,
  },
]

type Mutation = (pieces: Buffer[], random: Random, format: Format) => Buffer[]

const replace = (pieces: Buffer[], index: number, change: (piece: Buffer) => Buffer) =>
  pieces.map((piece, at) => at === index ? change(Buffer.from(piece)) : piece)

const insertMetadata: Mutation = (pieces, random, { metadata }) =>
  pieces.toSpliced(1 + random.below(pieces.length), 0, random.pick(metadata))

/** Mutations after which the pieces are as before, so that the metadata are still recognized as such. */
const rearrangements: readonly [Mutation, ...Mutation[]] = [
  insertMetadata,
  insertMetadata,
  (pieces, random) => {
    const from = 1 + random.below(pieces.length - 1)
    return pieces.toSpliced(1 + random.below(pieces.length), 0, ...pieces.slice(from, from + 1))
  },
  (pieces, random) => {
    const from = 1 + random.below(pieces.length - 1)
    const to = 1 + random.below(pieces.length - 1)
    return pieces.toSpliced(from, 1).toSpliced(to, 0, ...pieces.slice(from, from + 1))
  },
  (pieces, random) => pieces.toSpliced(1 + random.below(pieces.length - 1), 1),
  (pieces, random) => [...pieces, ...pieces.slice(1 + random.below(pieces.length))],
]

const damages: readonly [Mutation, ...Mutation[]] = [
  (pieces, random) => replace(pieces, random.below(pieces.length), piece => {
    piece[random.below(piece.length)] = random.below(256)
    return piece
  }),
  (pieces, random, { lengthOffset }) => replace(pieces, random.below(pieces.length), piece => {
    piece[Math.min(piece.length - 1, lengthOffset + random.below(4))] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff])
    return piece
  }),
  (pieces, random) => replace(pieces, random.below(pieces.length), piece => piece.subarray(random.below(piece.length))),
  (pieces, random) => replace(pieces, random.below(pieces.length), piece => {
    const start = random.below(piece.length)
    return Buffer.concat([piece.subarray(0, start), piece.subarray(start + random.below(20))])
  }),
  (pieces, random) => {
    const image = Buffer.concat(pieces)
    return [image.subarray(0, 20 + random.below(image.length - 20))]
  },
]

export interface MutatedImage {
  image: Buffer
  /** Whether its pieces are whole. In a damaged image, metadata may look like pixels. */
  isWhole: boolean
}

/** Returns an image with metadata. About a third of the images are damaged. */
export function generateMutatedImage (random: Random): MutatedImage {
  const format = random.pick(formats)
  let pieces = insertMetadata([...random.pick(format.images)], random, format)
  while (random.chance(0.6)) pieces = random.pick(rearrangements)(pieces, random, format)
  const isWhole = random.chance(0.65)
  if (!isWhole) {
    do pieces = random.pick(damages)(pieces, random, format)
    while (random.chance(0.3))
  }
  return { image: Buffer.concat(pieces), isWhole }
}
