/**
 * Tells the type of an image by its first bytes, for the five types that Procore takes. A table of signatures is enough
 * for that, runs without a promise, and does not offer a caller's bytes to parsers of some two hundred formats that are
 * never wanted.
 */

/** As Procore is told of it. */
export interface ImageType {
  mediaType: string
  extension: 'png' | 'jpg' | 'gif' | 'bmp' | 'tiff'
}

/** How many bytes settle the type of every image. */
export const signatureBytes = 18

const png: ImageType = { mediaType: 'image/png', extension: 'png' }
const jpeg: ImageType = { mediaType: 'image/jpeg', extension: 'jpg' }
const gif: ImageType = { mediaType: 'image/gif', extension: 'gif' }
const bmp: ImageType = { mediaType: 'image/bmp', extension: 'bmp' }
const tiff: ImageType = { mediaType: 'image/tiff', extension: 'tiff' }

/** What an avatar may be. */
export const imageMediaTypes = [png, jpeg, gif, bmp, tiff].map(({ mediaType }) => mediaType)

/** Sizes that the second header of a BMP may have; two letters alone would take a text for an image. */
const bmpHeaderBytes = new Set([12, 40, 52, 56, 64, 108, 124])

/** Nothing when the bytes begin none of the five. */
export function detectImageType (bytes: Buffer): ImageType | undefined {
  const text = bytes.toString('latin1', 0, signatureBytes)
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return png
  if (text.startsWith('\xff\xd8\xff')) return jpeg
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return gif
  if (text.startsWith('II*\0') || text.startsWith('MM\0*')) return tiff
  return text.startsWith('BM') && bytes.length >= signatureBytes && bmpHeaderBytes.has(bytes.readUInt32LE(14)) ? bmp : undefined
}
