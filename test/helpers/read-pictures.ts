/** Reads images independently of the service: their metadata by exiftool, their pixels by sharp. */
import { execFile, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import sharp from 'sharp'
import { assertSchema } from './assert-schema.ts'
import { privateText } from './exif.ts'
import { joinPng, splitPng } from './image-pieces.ts'

export const hasExiftool = spawnSync('exiftool', ['-ver']).status === 0

/** Values by group and tag, such as `GPS:GPSLatitude`. */
export type Tags = Record<string, unknown>

const ReportSchema = Type.Array(Type.Intersect([
  Type.Object({ SourceFile: Type.String() }), Type.Record(Type.String(), Type.Unknown()),
]))

/** What exiftool says of the file and of itself. Its warnings are about the syntax of the file. */
const aboutFile = /^(SourceFile|System:|ExifTool:|File:ExifByteOrder|File:CurrentIPTCDigest)/

/** Returns the tags of each image, in their order. One exiftool reads them all, because its start takes longest. */
export async function readTags (images: readonly Buffer[]): Promise<Tags[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pictures-'))
  try {
    const paths = images.map((_, index) => join(folder, `${index}.image`))
    await Promise.all(images.map((image, index) => writeFile(paths[index] ?? '', image)))
    const stdout = await runExiftool(folder)
    const tags = new Map(assertSchema(ReportSchema, JSON.parse(stdout)).map(report => [
      report.SourceFile,
      Object.fromEntries(Object.entries(report).filter(([name]) => !aboutFile.test(name))),
    ]))
    return paths.map(path => tags.get(path) ?? {})
  } finally {
    await rm(folder, { recursive: true })
  }
}

function runExiftool (folder: string): Promise<string> {
  const args = ['-json', '-G1', '-a', '-u', '-U', '-e', '-n', '-q', '-ext', 'image', folder]
  return new Promise((resolve, reject) => {
    // The exit status is 1 if a file is damaged. The report has it nevertheless.
    execFile('exiftool', args, { maxBuffer: 1_000_000_000 }, (error, stdout) => {
      if (stdout === '') reject(error ?? new Error('exiftool reports nothing.'))
      else resolve(stdout)
    })
  })
}

/** Tags that say how to show the image. All others are metadata. */
const shownTags = new RegExp(`^(${[
  'File:(FileType|FileTypeExtension|MIMEType|Image(Width|Height)|EncodingProcess|BitsPerSample|ColorComponents)',
  'File:(YCbCrSubSampling|Warning)',
  'JFIF:(JFIFVersion|ResolutionUnit|[XY]Resolution)',
  'Adobe:(DCTEncodeVersion|APP14Flags[01]|ColorTransform)',
  'ICC[-_]\\w+:[\\w-]+',
  'IFD0:Orientation',
  'PNG:(Image(Width|Height)|BitDepth|ColorType|Compression|Filter|Interlace|Palette|Transparency|ProfileName)',
  'PNG:(SRGBRendering|Gamma|BackgroundColor|SignificantBits|PaletteHistogram|SuggestedPalette)',
  'PNG:(Animation(Frames|Plays)|(White|Red|Green|Blue)\\w*[XY])',
  'PNG-(pHYs|cICP):\\w+',
  'GIF:(GIFVersion|Image(Width|Height)|HasColorMap|ColorResolutionDepth|BitsPerPixel|BackgroundColor)',
  'GIF:(AnimationIterations|TransparentColor|FrameCount|Duration|PixelAspectRatio)',
].join('|')})$`)

/** Returns the names of the tags that are metadata, without orientation, colours and structure. */
export function listMetadata (tags: Tags): string[] {
  return Object.keys(tags).filter(name => !shownTags.test(name))
}

/** Returns the tags that say how to show the image. An orientation of 1 means the same as none. */
export function pickShownTags (tags: Tags): Tags {
  return Object.fromEntries(Object.entries(tags).filter(([name, value]) =>
    shownTags.test(name) && !(name === 'IFD0:Orientation' && value === 1)))
}

/** Whether the generated text of metadata is anywhere in the image, also where exiftool does not look. */
export const containsPrivateText = (image: Buffer) => image.includes(privateText)

/** The visible properties of an image. Pixels and colour profile are hashed. */
export interface Appearance {
  /** sharp decodes all frames of a GIF as one. An animated PNG has its frames after its still image. */
  frames: string[]
  width: number
  height: number
  channels: number
  /** Times of the frames and number of repetitions. */
  delay: number[] | undefined
  loop: number | undefined
  profile: string | undefined
  orientation: number | undefined
}

/**
 * Reads what sharp decodes, of all frames, not rotated.
 * @param failOn `none` decodes a damaged image as far as possible
 * @throws if the image is damaged or its format is unknown
 */
export async function readAppearance (image: Buffer, failOn: FailOn = 'warning'): Promise<Appearance> {
  const { icc, orientation, delay, loop } = await sharp(image, { animated: true, failOn }).metadata()
  const { data, info } = await sharp(image, { animated: true, failOn }).raw().toBuffer({ resolveWithObject: true })
  return {
    frames: [data, ...await readPngFrames(image, failOn)].map(frame => hash('sha256', frame)),
    width: info.width,
    height: info.height,
    channels: info.channels,
    delay,
    loop,
    profile: icc && hash('sha256', icc),
    orientation,
  }
}

type FailOn = 'none' | 'warning'

/** Decodes the frames of an animated PNG, which sharp does not, each as an image of its own. */
async function readPngFrames (image: Buffer, failOn: FailOn): Promise<Buffer[]> {
  if (!image.includes('acTL')) return []
  const chunks = splitPng(image)
  const end = chunks.findIndex(({ type }) => type === 'IEND')
  const shown = end < 0 ? chunks : chunks.slice(0, end)
  if (!shown.some(({ type }) => type === 'acTL')) return []
  const header = shown[0]?.data ?? Buffer.alloc(0)
  const frames: Buffer[] = []
  let frameHeader = header
  for (const { type, data } of shown) {
    // The size in the control of a frame (PNG §11.3.6.2) replaces that of the header.
    if (type === 'fcTL') frameHeader = Buffer.concat([data.subarray(4, 12), header.subarray(8)])
    if (type !== 'fdAT') continue
    frames.push(await sharp(joinPng([
      { type: 'IHDR', data: frameHeader },
      { type: 'IDAT', data: data.subarray(4) },
      { type: 'IEND', data: Buffer.alloc(0) },
    ]), { failOn }).raw().toBuffer())
  }
  return frames
}
