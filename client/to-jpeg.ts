/**
 * Converts an image that Procore does not accept, such as WebP or AVIF, to JPEG with the decoders of the browser. Works
 * in pages, and in workers that have OffscreenCanvas. The result has no metadata.
 */
import { limits } from './limits.ts'

export interface JpegOptions {
  /** A larger image is scaled down until both sides have at most this many pixels. Default: 2048. */
  maxSide?: number | undefined
  /** From 0 to 1. Default: 0.9. */
  quality?: number | undefined
}

/**
 * Why there is no JPEG: the file has too many bytes, this browser cannot decode it, or this environment cannot convert
 * images at all.
 */
export type ConversionReason = 'too_large' | 'undecodable' | 'unavailable'

/** An image that could not be converted. `message` says what the person can do. */
export class ConversionError extends Error {
  override readonly name = 'ConversionError'
  readonly reason: ConversionReason

  constructor (reason: ConversionReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

const jpegType = 'image/jpeg'

/** The first bytes of the images that the service accepts. */
const acceptedImage = /^(?:\x89PNG\r\n|\xff\xd8\xff|GIF8|BM|II\*\0|MM\0\*)/
/** The brands of HEIC and HEIF (ISO/IEC 23008-12). */
const heicImage = /^[^]{4}ftyp(?:hei|hev|mif|msf)/

/**
 * Returns whether the service accepts the image as it is: PNG, JPEG, GIF, BMP or TIFF. The first bytes count. The name
 * and the type of a file may be wrong.
 */
export const isAcceptedImage = async (image: Blob): Promise<boolean> => acceptedImage.test(await readStart(image))

/**
 * Returns the first frame as a JPEG that is upright, whose transparent parts are white.
 * @throws {ConversionError}
 */
export async function toJpeg (image: Blob, { maxSide = 2048, quality = 0.9 }: JpegOptions = {}): Promise<File> {
  if (image.size > limits.imageMaxBytes) {
    const megabytes = limits.imageMaxBytes / 1e6
    throw new ConversionError('too_large', `The image has more than ${megabytes} MB. Choose a smaller one.`)
  }
  const bitmap = await decode(image)
  try {
    const jpeg = await encode(bitmap, maxSide, quality)
    const isFile = typeof File !== 'undefined' && image instanceof File
    const name = isFile ? image.name.replace(/\.[^.]*$/, '') : 'image'
    const lastModified = isFile ? image.lastModified : Date.now()
    return new File([jpeg], `${name}.jpg`, { type: jpeg.type, lastModified })
  } finally {
    bitmap.close()
  }
}

async function decode (image: Blob): Promise<ImageBitmap> {
  if (typeof createImageBitmap !== 'function') throw unavailable()
  try {
    return await createImageBitmap(image, { imageOrientation: 'from-image' })
  } catch (error) {
    // An older browser has the function, but does not know the option.
    if (error instanceof TypeError) throw unavailable(error)
    throw new ConversionError('undecodable', await describeUndecodable(image), error)
  }
}

async function describeUndecodable (image: Blob): Promise<string> {
  return heicImage.test(await readStart(image))
    ? 'This browser cannot read an iPhone photo in HEIC: ' +
      "choose 'Most Compatible' in the camera settings, or convert it to JPEG."
    : 'This browser cannot read the file as an image. Choose a JPEG or PNG image.'
}

async function encode (bitmap: ImageBitmap, maxSide: number, quality: number): Promise<Blob> {
  const scale = Math.min(1, maxSide / Math.max(bitmap.width, bitmap.height))
  const width = Math.max(1, Math.round(bitmap.width * scale))
  const height = Math.max(1, Math.round(bitmap.height * scale))
  const jpeg = typeof OffscreenCanvas === 'undefined'
    ? await encodeInPage(bitmap, width, height, quality)
    : await encodeOffscreen(bitmap, width, height, quality)
  // Browsers return null for a canvas that is too large for them, and a PNG for a type that they cannot encode.
  if (jpeg?.type !== jpegType) throw unavailable()
  return jpeg
}

function encodeOffscreen (bitmap: ImageBitmap, width: number, height: number, quality: number): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height)
  draw(canvas.getContext('2d'), bitmap, width, height)
  return canvas.convertToBlob({ type: jpegType, quality })
}

function encodeInPage (bitmap: ImageBitmap, width: number, height: number, quality: number): Promise<Blob | null> {
  if (typeof document === 'undefined') throw unavailable()
  const canvas = Object.assign(document.createElement('canvas'), { width, height })
  draw(canvas.getContext('2d'), bitmap, width, height)
  return new Promise(resolve => canvas.toBlob(resolve, jpegType, quality))
}

function draw (
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null,
  bitmap: ImageBitmap,
  width: number,
  height: number
): void {
  if (context === null) throw unavailable()
  // JPEG has no transparency: without this, transparent parts would be black.
  context.fillStyle = 'white'
  context.fillRect(0, 0, width, height)
  context.imageSmoothingQuality = 'high'
  context.drawImage(bitmap, 0, 0, width, height)
}

const unavailable = (cause?: unknown) =>
  new ConversionError('unavailable', 'This browser cannot convert images. Choose a JPEG or PNG image.', cause)

/** Returns the bytes from which types are detected, each as one character. */
async function readStart (image: Blob): Promise<string> {
  return String.fromCharCode(...new Uint8Array(await image.slice(0, 12).arrayBuffer()))
}
