/**
 * Detects the type of an image by its first bytes, for the five types that Procore accepts. A table of signatures is
 * enough for that and synchronous, and untrusted bytes do not reach the parsers of some two hundred unrelated formats.
 */

/** The type of an image, as it is declared to Procore. */
export interface ImageType {
  mediaType: string
  extension: 'png' | 'jpg' | 'gif' | 'bmp' | 'tiff'
}

/** The type of an image that is passed on to callers. */
export type DisplayedType = ImageType | { mediaType: string, extension: 'webp' | 'avif' }

/** How many bytes are needed to detect any of the types. */
export const signatureBytes = 18

const png: ImageType = { mediaType: 'image/png', extension: 'png' }
const jpeg: ImageType = { mediaType: 'image/jpeg', extension: 'jpg' }
const gif: ImageType = { mediaType: 'image/gif', extension: 'gif' }
const bmp: ImageType = { mediaType: 'image/bmp', extension: 'bmp' }
const tiff: ImageType = { mediaType: 'image/tiff', extension: 'tiff' }

const webp: DisplayedType = { mediaType: 'image/webp', extension: 'webp' }
const avif: DisplayedType = { mediaType: 'image/avif', extension: 'avif' }

/** The media types that an avatar may have. */
export const imageMediaTypes = [png, jpeg, gif, bmp, tiff].map(({ mediaType }) => mediaType)

/** The media types of images that are passed on to callers. */
export const displayedMediaTypes = [...imageMediaTypes, webp.mediaType, avif.mediaType]

/** Valid sizes of the second header of a BMP. Its signature alone has two letters, with which a text may start. */
const bmpHeaderBytes = new Set([12, 40, 52, 56, 64, 108, 124])

/** Returns undefined for bytes that are not the start of one of the five types. */
export function detectImageType (bytes: Buffer): ImageType | undefined {
  const text = bytes.toString('latin1', 0, signatureBytes)
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return png
  if (text.startsWith('\xff\xd8\xff')) return jpeg
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return gif
  if (text.startsWith('II*\0') || text.startsWith('MM\0*')) return tiff
  const isBmp = text.startsWith('BM') && bytes.length >= signatureBytes && bmpHeaderBytes.has(bytes.readUInt32LE(14))
  return isBmp ? bmp : undefined
}

/**
 * Detects what Procore may have stored although it is not accepted for an upload: an image that was converted, or
 * uploaded elsewhere. SVG is not among them, because it may contain scripts.
 */
export function detectDisplayedType (bytes: Buffer): DisplayedType | undefined {
  const text = bytes.toString('latin1', 0, signatureBytes)
  if (/^RIFF.{4}WEBP/s.test(text)) return webp
  if (/^.{4}ftypavi[fs]/s.test(text)) return avif
  return detectImageType(bytes)
}
