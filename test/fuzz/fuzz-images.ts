/** Sends mutated images, and compares what arrives with what exiftool and sharp read of the image as it was sent. */
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Random } from '../helpers/random.ts'
import {
  containsPrivateText, listMetadata, readAppearance, readTags, type Appearance
} from '../helpers/read-pictures.ts'
import { generateMutatedImage, type MutatedImage } from './mutate-image.ts'

/** What became of an image. `arrived` is what the upstream received. */
export interface Delivery { status: number, arrived?: Buffer }

export interface ImageFuzz {
  count: number
  random: Random
  /** Sends forms in batches, because one exiftool reads the images of a batch. */
  deliver (image: Buffer): Promise<Delivery>
}

const batchSize = 200
const concurrency = 8

/** Returns the findings: images of which metadata arrived, that look different, or that were rejected without need. */
export async function fuzzImages ({ count, random, deliver }: ImageFuzz): Promise<string[]> {
  const findings: string[] = []
  for (let done = 0; done < count; done += batchSize) {
    const images = Array.from({ length: Math.min(batchSize, count - done) }, () => generateMutatedImage(random))
    const deliveries = await mapInParallel(images, ({ image }) => deliver(image))
    const arrived = await readTags(deliveries.map(({ arrived = Buffer.alloc(0) }) => arrived))
    const faults = await mapInParallel(images, (image, index) =>
      findFaults(image, deliveries[index] ?? { status: 0 }, listMetadata(arrived[index] ?? {})))
    for (const [index, { image }] of images.entries()) {
      const digest = hash('sha256', image).slice(0, 8)
      findings.push(...(faults[index] ?? []).map(fault => `image ${digest}: ${fault}: ${image.toString('base64')}`))
    }
  }
  return findings
}

async function findFaults (
  { image, isWhole }: MutatedImage, { status, arrived }: Delivery, metadata: readonly string[]
): Promise<string[]> {
  const isDecoded = await tryReadAppearance(image, 'warning') !== undefined
  // sharp ignores damage after the pixels. The service rejects an image if a length in it is impossible.
  if (arrived === undefined) return isWhole && isDecoded ? [`status ${status}, and sharp decodes it`] : []
  const faults = metadata.length === 0 ? [] : [`it arrived with ${metadata.join(' ')}`]
  if (isWhole && containsPrivateText(arrived)) faults.push('its text arrived')
  // Decoders skip to different places after damage in a GIF. The service and browsers end it there.
  const isComparable = isWhole || !image.toString('latin1').startsWith('GIF')
  if (isDecoded && isComparable && !await looksSame(image, arrived)) faults.push('it looks different')
  return faults
}

/**
 * Compares what sharp decodes. It warns of a missing end only if nothing follows the pixels. Without the metadata that
 * followed them it therefore warns, and decodes the same.
 */
async function looksSame (image: Buffer, arrived: Buffer): Promise<boolean> {
  return isDeepStrictEqual(await tryReadAppearance(image, 'none'), await tryReadAppearance(arrived, 'none'))
}

/** Returns undefined if sharp does not decode it. An orientation that does not exist means the same as none. */
async function tryReadAppearance (image: Buffer, failOn: 'none' | 'warning'): Promise<Appearance | undefined> {
  const appearance = await readAppearance(image, failOn).catch(() => undefined)
  if (appearance === undefined) return undefined
  const { orientation = 1 } = appearance
  return { ...appearance, orientation: orientation >= 1 && orientation <= 8 ? orientation : 1 }
}

async function mapInParallel<Item, Result> (
  items: readonly Item[], map: (item: Item, index: number) => Promise<Result>
): Promise<Result[]> {
  const results: Result[] = []
  const entries = items.entries()
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (const [index, item] of entries) results[index] = await map(item, index)
  }))
  return results
}
