// Forms with several images, which the description names.
import { createServer, type IncomingMessage } from 'node:http'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { companyParams, line } from '../../src/endpoints/fields.ts'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import { plain } from '../helpers/pictures.ts'
import {
  RawConnection, multipartBody, multipartPart, sendJson, sendMultipart, streamChunks, summarizeErrors,
  type MultipartPart,
} from '../helpers/requests.ts'
import { listen } from '../helpers/listen.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const description = 'A test.'
const toEndpoint = (name: string, images: Endpoint['body']): Endpoint => ({
  name,
  method: 'POST',
  effect: 'once',
  acceptsIdempotencyKey: true,
  path: `/companies/:company_id/${name}`,
  procorePath: `/rest/v1.0/companies/:company_id/${name}`,
  params: companyParams,
  query: Type.Object({}),
  summary: 'Test',
  description,
  success: { status: 200, description },
  ...(images && { body: images }),
})
const body = { rootKey: 'trade', fields: Type.Object({ name: line({ description }) }), dependencies: [] }
const endpoints = [
  toEndpoint('trades', { ...body, images: ['logo', 'photo', 'plan'].map(name => ({ name, description })) }),
  toEndpoint('plain', body),
]
const { url, port, emulator } = await startService(t, {
  endpoints, env: { AVATAR_MAX_BYTES: '1000000', AVATAR_METADATA: 'keep' },
})
const trades = `${url}/companies/101/trades`
emulator.faults.add({ kind: 'status', status: 200, body: '{}', method: 'POST', rate: 1 })

const image = (name: string, data: Buffer): MultipartPart => ({ name: `trade[${name}]`, filename: 'x', data })
const text = { name: 'trade[name]', data: 'Masonry' }
const logo = image('logo', plain.png)
const photo = image('photo', plain.jpeg)
/** Larger than the buffer of a form. */
const largePlan = image('plan', Buffer.concat([plain.jpeg, Buffer.alloc(700_000)]))

function lastSent () {
  const received = emulator.apiRequests.at(-1)
  return parseMultipart(received?.headers['content-type'] ?? '', received?.body ?? Buffer.alloc(0))
}

for (const { name, parts } of [
  { name: 'no image', parts: [text] },
  { name: 'one image', parts: [text, photo] },
  { name: 'two images before a text', parts: [photo, logo, text] },
  { name: 'three images, of which one is large', parts: [largePlan, text, logo, photo] },
]) {
  t.test(`a form with ${name} sends each under its own name and type`, async t => {
    const form = multipartBody(parts)
    const half = form.length >> 1
    t.match(await sendMultipart(trades, streamChunks(form.subarray(0, half), form.subarray(half))), { status: 200 })
    const sent = new Map(lastSent().map(part => [part.name, part]))
    t.equal(sent.size, parts.length)
    for (const { name = '', data } of parts) t.ok(sent.get(name)?.data.equals(Buffer.from(data)), name)
    if (sent.has('trade[logo]')) t.equal(sent.get('trade[logo]')?.filename, 'logo.png')
    if (sent.has('trade[photo]')) t.equal(sent.get('trade[photo]')?.filename, 'photo.jpg')
  })
}

t.test('the errors of several images name each of them', async t => {
  const empty = image('photo', Buffer.alloc(0))
  const asText = { name: 'trade[plan]', data: 'x' }
  const response = await sendMultipart(trades, multipartBody([asText, empty, logo, logo, text]))
  t.strictSame(summarizeErrors(response), [
    'body /trade/logo duplicate', 'body /trade/photo size', 'body /trade/plan type',
  ])
})

t.test('a problem of one image has its name', async t => {
  t.match(await sendMultipart(trades, multipartBody([text, logo, image('photo', Buffer.from('%PDF-1.7'))])), {
    json: { code: 'avatar_type', detail: /^The photo is a PDF document/ },
  })
  const tooLarge = image('plan', Buffer.concat([plain.png, Buffer.alloc(1_000_000)]))
  t.match(await sendMultipart(trades, multipartBody([text, logo, tooLarge])), {
    json: { code: 'avatar_too_large', detail: 'The plan has more than 1000000 bytes.' },
  })
})

/** Starts a service whose Procore reads forms and discards them. */
async function startWithReader (t: Test, avatarMaxBytes: number) {
  const uploads: Array<{ request: IncomingMessage, closed: Promise<unknown> }> = []
  const server = createServer((request, response) => {
    const isToken = request.url === '/oauth/token'
    if (!isToken) uploads.push({ request, closed: new Promise(resolve => { request.once('close', resolve) }) })
    const body = isToken ? '{"access_token":"a","token_type":"bearer","expires_in":5400}' : '{}'
    request.resume().on('error', () => {})
      .on('end', () => response.setHeader('content-type', 'application/json').end(body))
  })
  const procoreUrl = `http://127.0.0.1:${await listen(t, server)}`
  const env = { AVATAR_MAX_BYTES: String(avatarMaxBytes), AVATAR_METADATA: 'keep' }
  const { url } = await startService(t, { endpoints, env, procoreUrl })
  return { url, uploads }
}

const largeLogo = image('logo', Buffer.concat([plain.png, Buffer.alloc(600_000)]))
const tooLargePlan = image('plan', Buffer.concat([plain.jpeg, Buffer.alloc(1_000_000)]))
const lateFaults = [
  { name: 'of another type', parts: [text, image('photo', Buffer.from('%PDF-1.7'))], status: 415, code: 'avatar_type' },
  { name: 'too large', parts: [photo, tooLargePlan, text], status: 413, code: 'avatar_too_large' },
  { name: 'empty', parts: [text, image('photo', Buffer.alloc(0))], error: 'body /trade/photo size' },
  { name: 'given twice', parts: [photo, text, photo], error: 'body /trade/photo duplicate' },
  { name: 'a text', parts: [text, { name: 'trade[photo]', data: 'x' }], error: 'body /trade/photo type' },
  { name: 'unknown', parts: [text, photo, image('map', plain.png)], error: 'body /trade/map unknown' },
]
for (const { name, parts, error, status = 422, code = 'validation_failed' } of lateFaults) {
  t.test(`a form whose later image is ${name} after streaming began is never a complete request`, async t => {
    const { url, uploads } = await startWithReader(t, 1_000_000)
    const response = await sendMultipart(`${url}/companies/101/trades`, (async function * () {
      yield multipartPart(largeLogo)
      await waitUntil(() => uploads.length === 1)
      yield multipartBody(parts)
    })())
    t.match(response, { status, json: { code, outcome: 'not_sent' } })
    t.strictSame(summarizeErrors(response), error === undefined ? [] : [error])
    await Promise.all(uploads.map(({ closed }) => closed))
    t.match(uploads, [{ request: { complete: false } }])
    t.equal(uploads.length, 1)
  })
}

t.test('the memory does not grow with several images', async t => {
  const { url, uploads } = await startWithReader(t, 200_000_000)
  /** Sends three images, and returns the most memory that this process, with caller and Procore, had meanwhile. */
  const measure = async (imageBytes: number) => {
    let peakBytes = 0
    const chunk = Buffer.alloc(65_536)
    const response = await sendMultipart(`${url}/companies/101/trades`, (async function * () {
      for (const part of [logo, photo, image('plan', plain.png)]) {
        yield multipartPart(part).subarray(0, -2)
        for (let bytes = 0; bytes < imageBytes; bytes += chunk.length) {
          yield chunk
          const { heapUsed, arrayBuffers } = process.memoryUsage()
          peakBytes = Math.max(peakBytes, heapUsed + arrayBuffers)
        }
        yield Buffer.from('\r\n')
      }
      yield multipartBody([text])
    })())
    t.equal(response.status, 200)
    return peakBytes
  }
  const small = await measure(10_000_000)
  const large = await measure(150_000_000)
  t.match(uploads, [{ request: { complete: true } }, { request: { complete: true } }])
  t.ok(large - small < 100_000_000, `the peak is ${small} bytes with 30 MB, and ${large} bytes with 450 MB`)
})

t.test('a form may be as large as all of its images together', async t => {
  const parts = ['logo', 'photo', 'plan'].map(name => image(name, Buffer.concat([plain.png, Buffer.alloc(990_000)])))
  t.match(await sendMultipart(trades, multipartBody([text, ...parts])), { status: 200 })
})

for (const { path, error } of [
  { path: 'trades', error: /3 images of 1000000 bytes.*"code":"avatar_too_large"/ },
  { path: 'plain', error: /A form may have at most.*"code":"body_too_large"/ },
]) {
  t.test(`a form of ${path} that is declared to be larger is refused before it is read`, async t => {
    const connection = new RawConnection(port)
    connection.write([
      `POST /companies/101/${path} HTTP/1.1`, 'Host: localhost', 'Content-Length: 9000000',
      'Content-Type: multipart/form-data; boundary=b', 'Connection: close', '', '',
    ].join('\r\n'))
    const response = await connection.readUntil('"request_id"')
    connection.socket.destroy()
    t.match(response, /^HTTP\/1\.1 413 /)
    t.match(response, error)
  })
}

t.test('JSON refuses each image by its name', async t => {
  const response = await sendJson(trades, { trade: { name: 'Masonry', logo: 'x', plan: 'y' } })
  t.strictSame(summarizeErrors(response), ['body /trade/logo type', 'body /trade/plan type'])
})

t.test('an idempotency key belongs to all images and their names, in any order', async t => {
  const headers = { 'idempotency-key': 'images-1' }
  const create = (...parts: MultipartPart[]) => sendMultipart(trades, multipartBody(parts), headers)
  t.match(await create(text, logo, photo), { status: 200 })
  t.match(await create(photo, text, logo), { status: 200, headers: { 'idempotency-replayed': 'true' } })
  for (const parts of [
    [text, logo], [text, photo], [text], [text, logo, photo, image('plan', plain.png)],
    [text, image('logo', plain.jpeg), image('photo', plain.png)],
  ]) {
    t.match(await create(...parts), { status: 422, json: { code: 'idempotency_key_reused' } })
  }
})

t.test('a form without an image is the same request as JSON', async t => {
  const headers = { 'idempotency-key': 'images-2' }
  t.match(await sendMultipart(trades, multipartBody([text]), headers), { status: 200 })
  t.match(await sendJson(trades, { trade: { name: 'Masonry' } }, headers), {
    headers: { 'idempotency-replayed': 'true' },
  })
})
