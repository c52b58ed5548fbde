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
  const expected = await tryReadAppearance(image)
  if (arrived === undefined) return expected === undefined ? [] : [`status ${status} although sharp decodes it`]
  const faults = metadata.length === 0 ? [] : [`it arrived with ${metadata.join(' ')}`]
  if ((isWhole || expected !== undefined) && containsPrivateText(arrived)) faults.push('its text arrived')
  if (expected !== undefined && !isDeepStrictEqual(await tryReadAppearance(arrived), expected)) {
    faults.push('it looks different')
  }
  return faults
}

/** Returns undefined if sharp warns of damage. An orientation that does not exist means the same as none. */
async function tryReadAppearance (image: Buffer): Promise<Appearance | undefined> {
  const appearance = await readAppearance(image).catch(() => undefined)
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
