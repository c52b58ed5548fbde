/**
 * Names a file that Procore does not accept as an avatar, by its first bytes, so that the person who chose it learns
 * what to do. Only the bytes that `detectImageType` needs are used: the detail is the same for every chunk size.
 */
import { signatureBytes } from './signature.ts'

interface UnsupportedType {
  /** First bytes of such files. A dot stands for any byte. */
  starts: readonly string[]
  /** Follows "The avatar is", or the name of another image. */
  advice: string
}

/**
 * The first match counts. The brand of an ISO base media file follows the size and type of its first box
 * (ISO/IEC 14496-12 §4.3).
 */
const unsupportedTypes: readonly UnsupportedType[] = [
  {
    starts: ['....ftyphei', '....ftyphev'],
    advice: "an iPhone photo in HEIC: choose 'Most Compatible' in the camera settings, or convert it to JPEG.",
  },
  { starts: ['....ftypavi'], advice: 'an AVIF image: convert it to JPEG or PNG.' },
  { starts: ['....ftypmif', '....ftypmiaf', '....ftypmsf'], advice: 'a HEIF image: convert it to JPEG.' },
  { starts: ['....ftypM4A '], advice: 'a sound recording: choose a photo.' },
  {
    starts: ['....ftypcrx ', 'IIU\0', 'IIRO', 'IIRS', 'FUJIFILMCCD-RAW'],
    advice: 'a raw file of a camera: export it as JPEG.',
  },
  {
    // MP4 and QuickTime, whose older files have no `ftyp`; AVI; WebM and Matroska.
    starts: ['....ftyp', '....moov', '....mdat', '....wide', 'RIFF....AVI ', '\x1aE\xdf\xa3'],
    advice: 'a video: choose a photo.',
  },
  { starts: ['RIFF....WEBP'], advice: 'a WebP image: convert it to JPEG or PNG.' },
  { starts: ['\xff\x0a', '\0\0\0\x0cJXL '], advice: 'a JPEG XL image: convert it to JPEG.' },
  { starts: ['\xff\x4f\xff\x51', '\0\0\0\x0cjP  '], advice: 'a JPEG 2000 image: convert it to JPEG.' },
  { starts: ['II+\0', 'MM\0+'], advice: 'a BigTIFF image: convert it to TIFF or JPEG.' },
  { starts: ['\0\0\x01\0', '\0\0\x02\0'], advice: 'an icon (ICO): convert it to PNG.' },
  { starts: ['8BPS'], advice: 'a Photoshop document: export it as JPEG or PNG.' },
  { starts: ['%PDF-'], advice: 'a PDF document: export the picture as JPEG or PNG.' },
  { starts: ['%!PS'], advice: 'a PostScript document: export the picture as JPEG or PNG.' },
  { starts: ['PK\x03\x04'], advice: 'a ZIP archive or an office document: choose the picture itself.' },
  { starts: ['<svg', '<!doctype svg'], advice: 'an SVG drawing: export it as PNG.' },
  // Drawing programs may write a comment first.
  { starts: ['<?xml', '<!--'], advice: 'an XML document, such as an SVG drawing: export it as PNG.' },
  { starts: ['<html', '<!doctype html'], advice: 'a web page: download the picture itself.' },
]

/**
 * Returns a sentence that says what the file is and what to do.
 * @param name of the image in the form
 */
export function describeUnsupportedType (name: string, bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, signatureBytes)
  // Markup may begin with a byte order mark and white space. The names of HTML may be in capitals.
  const markup = text.replace(/^\xef\xbb\xbf/, '').trimStart().toLowerCase()
  const type = unsupportedTypes.find(({ starts }) => {
    return starts.some(start => startsWith(text, start) || startsWith(markup, start))
  })
  return type === undefined
    ? `The content of the ${name} is not a PNG, JPEG, GIF, BMP or TIFF image.`
    : `The ${name} is ${type.advice}`
}

const startsWith = (text: string, start: string) =>
  Array.from(start).every((character, index) => character === '.' || character === text[index])
