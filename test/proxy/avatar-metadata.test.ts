// Pictures as phones and programs write them arrive without metadata, and look the same. exiftool and sharp compare
// what arrived with what was sent.
import t, { type Test } from 'tap'
import type { ReceivedRequest } from '../../tools/emulator/recorder.ts'
import { bmp, gif, jpeg, png, tiff } from '../helpers/images.ts'
import { animatedPng, orientedPictures, picturesWithMetadata, plain, type Picture } from '../helpers/pictures.ts'
import {
  containsPrivateText, hasExiftool, listMetadata, pickShownTags, readAppearance, readTags, type Tags
} from '../helpers/read-pictures.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import { boundary, janeParts, multipartBody, send, type MultipartPart, type TestResponse } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const skip = !hasExiftool && process.env['CI'] !== 'true' && 'exiftool is not installed'

const allPictures = [...picturesWithMetadata, ...orientedPictures]
const truncatedImages = { jpegUpToItsLastByte: plain.jpeg.subarray(0, -1), pngUpToAChunk: plain.png.subarray(0, -17) }
const imagesWithoutMetadata = Object.entries({
  ...plain,
  animatedPng: animatedPng(),
  bmp: bmp(),
  tiff: tiff(),
  noisePng: png(),
  tinyGif: gif(),
  tinyJpeg: jpeg(),
  ...truncatedImages,
}).map(([name, image]) => ({ name: `the image ${name}`, image }))

/** A form is streamed if more than FORM_BUFFER_BYTES arrive before its end. */
type Mode = 'buffered' | 'streamed'

/** The largest picture has 1 MB, most of which is the colour profile of a printer. */
const bufferBytes: Record<Mode, string> = { buffered: '4194304', streamed: '400' }
const firstBytes = 600

interface Arrival {
  request: ReceivedRequest
  image: Buffer
}

/** Sends a form with the image, and returns what arrived. */
type Deliver = (image: Buffer) => Promise<Arrival>

function createUsers (service: Service, mode: Mode): Promise<Deliver> {
  let count = 0
  return Promise.resolve(async image => {
    const fields = [
      { name: 'user[last_name]', data: 'Doe' },
      { name: 'user[email_address]', data: `jane.${++count}@example.com` },
    ]
    await sendForm(service, mode, 'POST', service.usersUrl, [...fields, avatarPart(image)])
    return getArrival(service)
  })
}

async function changeUser (service: Service, mode: Mode): Promise<Deliver> {
  const created = await sendForm(service, 'buffered', 'POST', service.usersUrl, janeParts)
  const url = `${service.usersUrl}/${Number(created.json['id'])}`
  return async image => {
    await sendForm(service, mode, 'PATCH', url, [avatarPart(image)])
    return getArrival(service)
  }
}

async function sendForm (
  { emulator }: Service, mode: Mode, method: 'POST' | 'PATCH', url: string, parts: MultipartPart[]
): Promise<TestResponse> {
  const form = multipartBody(parts)
  const requests = emulator.apiRequests.length
  async function * split (): AsyncGenerator<Buffer> {
    yield form.subarray(0, firstBytes)
    await waitUntil(() => emulator.apiRequests.length > requests)
    yield form.subarray(firstBytes)
  }
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  const response = await send(url, { method, headers, body: mode === 'streamed' ? split() : form })
  if (response.status > 201) throw new Error(`${response.status}: ${response.text}`)
  return response
}

function getArrival ({ emulator }: Service): Arrival {
  const request = emulator.apiRequests.at(-1)
  const avatar = request?.parts?.find(({ name }) => name === 'user[avatar]')
  if (request === undefined || avatar === undefined) throw new Error('No avatar arrived.')
  return { request, image: avatar.data }
}

async function deliverAll (images: ReadonlyArray<{ image: Buffer }>, deliver: Deliver): Promise<Arrival[]> {
  const arrivals: Arrival[] = []
  for (const { image } of images) arrivals.push(await deliver(image))
  return arrivals
}

const hasTag = (tags: Tags, prefix: string) => Object.keys(tags).some(name => name.startsWith(prefix))

t.test('exiftool and sharp find in each picture what the tests remove', { skip }, async t => {
  const tags = await readTags(allPictures.map(({ image }) => image))
  for (const [index, picture] of allPictures.entries()) {
    await t.test(`${picture.name} has metadata before it is sent`, async t => {
      for (const prefix of picture.tags) t.ok(hasTag(tags[index] ?? {}, prefix), prefix)
      t.ok(containsPrivateText(picture.image))
    })
  }
})

const rows: Array<{ name: string, mode: Mode, prepare: typeof changeUser, pictures: readonly Picture[] }> = [
  { name: 'a buffered form', mode: 'buffered', prepare: createUsers, pictures: allPictures },
  { name: 'a streamed form', mode: 'streamed', prepare: createUsers, pictures: allPictures },
  { name: 'a change of a user', mode: 'buffered', prepare: changeUser, pictures: picturesWithMetadata },
]
for (const { name, mode, prepare, pictures } of rows) {
  const env = { FORM_BUFFER_BYTES: bufferBytes[mode] }

  t.test(`the metadata of pictures in ${name} is not sent`, { skip }, async t => {
    const arrivals = await deliverAll(pictures, await prepare(await startService(t, { env }), mode))
    const before = await readTags(pictures.map(({ image }) => image))
    const after = await readTags(arrivals.map(({ image }) => image))
    for (const [index, picture] of pictures.entries()) {
      await t.test(`${picture.name} arrives without metadata and looks the same`, async t => {
        const arrival = arrivals[index]
        if (arrival === undefined) return t.fail('It did not arrive.')
        const { image, request } = arrival
        const tags = after[index] ?? {}
        t.strictSame(listMetadata(tags), [])
        t.notOk(containsPrivateText(image))
        t.strictSame(pickShownTags(tags), pickShownTags(before[index] ?? {}))
        await assertSameAppearance(t, image, picture)
        assertFraming(t, request, mode)
      })
    }
  })

  t.test(`images without metadata in ${name} are sent byte for byte`, async t => {
    const arrivals = await deliverAll(imagesWithoutMetadata, await prepare(await startService(t, { env }), 'buffered'))
    for (const [index, { name, image }] of imagesWithoutMetadata.entries()) {
      await t.test(`${name} is sent byte for byte`, async t => t.ok(arrivals[index]?.image.equals(image)))
    }
  })
}

async function assertSameAppearance (t: Test, arrived: Buffer, { image, isTruncated = false }: Picture): Promise<void> {
  const failOn = isTruncated ? 'none' : 'warning'
  const { orientation, ...expected } = await readAppearance(image, failOn)
  // An orientation of 1 means the same as none.
  const { orientation: arrivedOrientation, ...actual } = await readAppearance(arrived, failOn)
  t.strictSame(actual, expected)
  t.equal(arrivedOrientation ?? 1, orientation ?? 1)
}

/** Node verifies the length. */
function assertFraming (t: Test, { headers, body }: ReceivedRequest, mode: Mode): void {
  t.equal(headers['content-length'], mode === 'buffered' ? String(body.length) : undefined)
  t.equal(headers['transfer-encoding'], mode === 'buffered' ? undefined : 'chunked')
}

for (const mode of ['buffered', 'streamed'] as const) {
  t.test(`AVATAR_METADATA=keep sends pictures in ${mode} forms as they are`, async t => {
    const env = { FORM_BUFFER_BYTES: bufferBytes[mode], AVATAR_METADATA: 'keep' }
    const arrivals = await deliverAll(picturesWithMetadata, await createUsers(await startService(t, { env }), mode))
    for (const [index, { name, image }] of picturesWithMetadata.entries()) {
      await t.test(`${name} is sent byte for byte`, async t => t.ok(arrivals[index]?.image.equals(image)))
    }
  })
}
