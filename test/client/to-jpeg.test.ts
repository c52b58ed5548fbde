// Tests the conversion of images to JPEG in a browser. sharp writes the images and reads the results.
import sharp, { type Sharp } from 'sharp'
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { ConversionError, isAcceptedImage, toJpeg, type JpegOptions } from '../../client/to-jpeg.ts'
import type * as ToJpegModule from '../../client/to-jpeg.ts'
import { hasBrowser, openPage } from '../helpers/browser.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { startPageServer } from '../helpers/page-server.ts'

const skip = !hasBrowser && process.env['CI'] !== 'true' && 'chromium is not installed'

interface Conversion {
  base64: string
  name: string
  lastModified: number
  options?: JpegOptions
}

interface ConversionResult {
  base64: string
  name: string
  type: string
  lastModified: number
}

/** What the page returns of a conversion: the file, or why there is none. */
type ConversionOutcome = ConversionResult | { reason: string, message: string }

declare global {
  interface Window {
    importToJpeg (): Promise<typeof ToJpegModule>
    convert (conversion: Conversion): Promise<ConversionOutcome>
  }
}

type Color = 'red' | 'blue' | 'white' | 'other'

const red = { r: 255, g: 0, b: 0 }
const blue = { r: 0, g: 0, b: 255 }

/** Returns an image whose left half is red and whose right half is blue. */
function halves (width = 400, height = 200, alpha = 1): Sharp {
  const half = sharp({ create: { width: width / 2, height, channels: 4, background: { ...red, alpha } } })
  return half.extend({ right: width / 2, background: { ...blue, alpha } })
}

/** The same image, whose metadata says that it has to be turned by 90° clockwise: its left side is its top. */
const turned = () => halves().withMetadata({ orientation: 6 })

/** Returns two frames, each of one colour. */
async function animated (): Promise<Sharp> {
  const frames = [red, blue].map(background => {
    return sharp({ create: { width: 40, height: 40, channels: 3, background } }).png().toBuffer()
  })
  return sharp(await Promise.all(frames), { join: { animated: true } })
}

interface Expected {
  width: number
  height: number
  topLeft: Color
  bottomRight: Color
}

const upright: Expected = { width: 400, height: 200, topLeft: 'red', bottomRight: 'blue' }

t.test('toJpeg returns an upright JPEG without metadata of an image that the browser can decode', { skip }, async t => {
  const { convert } = await open(t)
  const rows: Array<{ name: string, image: Buffer, options?: JpegOptions, expected: Expected }> = [
    { name: 'WebP', image: await halves().webp().toBuffer(), expected: upright },
    { name: 'AVIF', image: await halves().avif({ effort: 0 }).toBuffer(), expected: upright },
    { name: 'PNG', image: await halves().png().toBuffer(), expected: upright },
    {
      name: 'a turned PNG',
      image: await turned().png().toBuffer(),
      expected: { width: 200, height: 400, topLeft: 'red', bottomRight: 'blue' },
    },
    {
      name: 'a turned JPEG',
      image: await turned().jpeg().toBuffer(),
      expected: { width: 200, height: 400, topLeft: 'red', bottomRight: 'blue' },
    },
    {
      name: 'a transparent WebP',
      image: await halves(400, 200, 0).webp().toBuffer(),
      expected: { ...upright, topLeft: 'white', bottomRight: 'white' },
    },
    {
      name: 'an animated WebP',
      image: await (await animated()).webp().toBuffer(),
      expected: { width: 40, height: 40, topLeft: 'red', bottomRight: 'red' },
    },
    {
      name: 'a wide WebP',
      image: await halves(4000, 1000).webp().toBuffer(),
      expected: { ...upright, width: 2048, height: 512 },
    },
    {
      name: 'a high WebP with a smaller limit',
      image: await halves(400, 1000).webp().toBuffer(),
      options: { maxSide: 100 },
      expected: { ...upright, width: 40, height: 100 },
    },
    {
      name: 'a line with a smaller limit',
      image: await halves(1000, 1).webp().toBuffer(),
      options: { maxSide: 100 },
      expected: { ...upright, width: 100, height: 1 },
    },
  ]
  for (const { name, image, options, expected } of rows) {
    await t.test(`${name} is converted`, async t => {
      t.match(await describe(await convert(image, options)), { ...expected, format: 'jpeg', exif: undefined })
    })
  }
})

t.test('the JPEG has the name and the time of the file that was converted', { skip }, async t => {
  const { convert } = await open(t)
  const image = await halves().webp().toBuffer()
  t.match(await convert(image), { name: 'jane.doe.jpg', type: 'image/jpeg', lastModified: 1_700_000_000_000 })
})

t.test('a lower quality gives fewer bytes', { skip }, async t => {
  const { convert } = await open(t)
  const image = await sharp(png(200_000)).webp().toBuffer()
  const sizeOf = async (quality: number) => getBytes(await convert(image, { quality })).length
  t.ok(await sizeOf(0.3) < await sizeOf(0.95))
})

t.test('toJpeg works without OffscreenCanvas, and in a worker', { skip }, async t => {
  const { page, convert, origin } = await open(t)
  const image = await halves().webp().toBuffer()
  await t.test('without OffscreenCanvas', async t => {
    await page.evaluate(() => { Reflect.deleteProperty(window, 'OffscreenCanvas') })
    t.match(await describe(await convert(image)), { ...upright, format: 'jpeg' })
  })
  await t.test('in a worker', async t => {
    const base64 = await page.evaluate(convertInWorker, { base64: image.toString('base64'), origin })
    t.match(await describe({ base64 }), { ...upright, format: 'jpeg' })
  })
})

t.test('toJpeg throws a ConversionError that says what to do', { skip }, async t => {
  const { page, convert } = await open(t)
  const unreadable = 'This browser cannot read the file as an image. Choose a JPEG or PNG image.'
  const heic = 'This browser cannot read an iPhone photo in HEIC: ' +
    "choose 'Most Compatible' in the camera settings, or convert it to JPEG."
  const webp = await halves().webp().toBuffer()
  const rows = [
    { name: 'an iPhone photo in HEIC', image: Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'), message: heic },
    { name: 'HEIF', image: Buffer.from('\0\0\0\x18ftypmif1\0\0\0\0mif1heic'), message: heic },
    { name: 'SVG', image: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), message: unreadable },
    { name: 'a text', image: Buffer.from('no image'), message: unreadable },
    { name: 'a WebP that ends early', image: webp.subarray(0, 40), message: unreadable },
    { name: 'an empty file', image: Buffer.alloc(0), message: unreadable },
  ]
  for (const { name, image, message } of rows) {
    await t.test(`${name} is not converted`, async t => {
      t.strictSame(await convert(image), { reason: 'undecodable', message })
    })
  }
  await t.test('a file of more than 50 MB is not decoded', async t => {
    const reason = await page.evaluate(async () => {
      const { toJpeg, ConversionError } = await window.importToJpeg()
      const image = new Blob([new Uint8Array(50_000_001)])
      return toJpeg(image).then(({ type }) => type, error => error instanceof ConversionError && error.reason)
    })
    t.equal(reason, 'too_large')
  })
  await t.test('a browser that cannot convert images says so', async t => {
    await page.evaluate(() => { Reflect.deleteProperty(window, 'createImageBitmap') })
    t.match(await convert(webp), { reason: 'unavailable', message: /cannot convert images/ })
  })
})

t.test('toJpeg is not available in Node', async t => {
  const error = await toJpeg(new Blob([new Uint8Array(gif())])).catch((error: unknown) => error)
  t.ok(error instanceof ConversionError)
  t.match(error, { name: 'ConversionError', reason: 'unavailable' })
})

t.test('isAcceptedImage is true for the five types of the service, by their first bytes', async t => {
  const rows = [
    { name: 'PNG', image: png(), isAccepted: true },
    { name: 'JPEG', image: jpeg(), isAccepted: true },
    { name: 'GIF', image: gif(), isAccepted: true },
    { name: 'BMP', image: bmp(), isAccepted: true },
    { name: 'little-endian TIFF', image: tiff(), isAccepted: true },
    { name: 'big-endian TIFF', image: Buffer.from('MM\0*\0\0\0\x08'), isAccepted: true },
    { name: 'WebP', image: await halves().webp().toBuffer(), isAccepted: false },
    { name: 'AVIF', image: await halves().avif({ effort: 0 }).toBuffer(), isAccepted: false },
    { name: 'HEIC', image: Buffer.from('\0\0\0\x18ftypheic'), isAccepted: false },
    { name: 'SVG', image: Buffer.from('<svg/>'), isAccepted: false },
    { name: 'an empty file', image: Buffer.alloc(0), isAccepted: false },
  ]
  for (const { name, image, isAccepted } of rows) {
    await t.test(`${name}: ${isAccepted}`, async t => {
      t.equal(await isAcceptedImage(new Blob([new Uint8Array(image)])), isAccepted)
    })
  }
})

interface OpenedPage {
  page: Page
  origin: string
  convert: (image: Buffer, options?: JpegOptions) => Promise<ConversionOutcome>
}

async function open (t: Test): Promise<OpenedPage> {
  const html = '<!doctype html><title>toJpeg</title><link rel="icon" href="data:,">'
  const origin = await startPageServer(t, { '/': html })
  const { page } = await openPage(t)
  await page.goto(origin)
  await page.evaluate('window.importToJpeg = () => import("/client/to-jpeg.ts")')
  await page.evaluate(install)
  const convert = (image: Buffer, options?: JpegOptions) => page.evaluate(conversion => window.convert(conversion), {
    base64: image.toString('base64'),
    name: 'jane.doe.webp',
    lastModified: 1_700_000_000_000,
    ...(options !== undefined && { options }),
  })
  return { page, origin, convert }
}

/** Defines `window.convert`. Runs in the page. */
async function install (): Promise<void> {
  const { toJpeg, ConversionError } = await window.importToJpeg()
  window.convert = async ({ base64, name, lastModified, options }) => {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0))
    try {
      const file = await toJpeg(new File([bytes], name, { lastModified }), options)
      const text = Array.from(new Uint8Array(await file.arrayBuffer()), byte => String.fromCharCode(byte)).join('')
      return { base64: btoa(text), name: file.name, type: file.type, lastModified: file.lastModified }
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error
      return { reason: error.reason, message: error.message }
    }
  }
}

/** Converts an image in a worker of the page. Runs in the page. */
function convertInWorker ({ base64, origin }: { base64: string, origin: string }): Promise<string> {
  const source = `
    const { toJpeg } = await import('${origin}/client/to-jpeg.ts')
    const bytes = Uint8Array.from(atob('${base64}'), character => character.charCodeAt(0))
    const jpeg = new Uint8Array(await (await toJpeg(new Blob([bytes]))).arrayBuffer())
    postMessage(btoa(Array.from(jpeg, byte => String.fromCharCode(byte)).join('')))`
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(String(data))
    worker.onerror = ({ message }) => reject(new Error(message))
  })
}

function getBytes (outcome: ConversionOutcome | { base64: string }): Buffer {
  if (!('base64' in outcome)) throw new Error(outcome.message)
  return Buffer.from(outcome.base64, 'base64')
}

/** Returns the metadata of an image and the colours of two corners, as sharp reads them. */
async function describe (outcome: ConversionOutcome | { base64: string }) {
  const image = sharp(getBytes(outcome))
  const { format, width, height, exif } = await image.metadata()
  const pixels = await image.removeAlpha().raw().toBuffer()
  const colorAt = (offset: number): Color => {
    const [r = 0, g = 0, b = 0] = [...pixels.subarray(offset, offset + 3)].map(value => Math.round(value / 255))
    if (r === 1 && g === 1 && b === 1) return 'white'
    if (r === 1 && g === 0 && b === 0) return 'red'
    return r === 0 && g === 0 && b === 1 ? 'blue' : 'other'
  }
  return { format, width, height, exif, topLeft: colorAt(0), bottomRight: colorAt(pixels.length - 3) }
}
