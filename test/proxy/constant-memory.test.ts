// A form flows at the pace of the slower side: the service reads from the caller only what Procore accepts.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { exifData, privateText } from '../helpers/exif.ts'
import { segment, splitJpeg } from '../helpers/image-pieces.ts'
import { listen } from '../helpers/listen.ts'
import { createUserHead } from '../helpers/request-builders.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { boundary, multipartBody, multipartPart, janeParts, RawConnection, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

/** Covers the socket buffers of both sides, those of their kernels, and the service's own queues. */
const buffersMaxBytes = 24_000_000

/** An image of any size: its start, and what is repeated after it. */
interface LargeImage { start: Buffer, repeated: Buffer }

/** One chunk of data, the longest possible. */
const largePng: LargeImage = {
  start: Buffer.from('\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIDAT', 'latin1'),
  repeated: randomBytes(65_536),
}

/** Scans with metadata between them, as much of the one as of the other. */
async function largeJpeg (): Promise<LargeImage> {
  const create = { width: 8, height: 8, channels: 3, background: 'red' } as const
  const pieces = splitJpeg(await sharp({ create }).jpeg().toBuffer())
  const scan = pieces.findIndex(({ code }) => code === 0xda)
  // 0xff in a scan is followed by a zero (ITU T.81 §F.1.2.3).
  const data = Buffer.from(randomBytes(60_000).toString('latin1').replaceAll('\xff', '\xff\0'), 'latin1')
  return {
    start: Buffer.concat(pieces.slice(0, scan).map(({ bytes }) => bytes)),
    repeated: Buffer.concat([
      segment(0xe1, 'Exif\0\0', exifData({ orientation: 6 })),
      segment(0xfe, Buffer.alloc(60_000, privateText)),
      ...pieces.slice(scan, scan + 1).map(({ bytes }) => bytes),
      data,
    ]),
  }
}

async function * largeForm (imageBytes: number, { start, repeated } = largePng): AsyncGenerator<Buffer> {
  yield multipartPart({ name: 'user[avatar]', filename: 'a', data: start }).subarray(0, -2)
  for (let bytes = 0; bytes < imageBytes; bytes += repeated.length) yield repeated
  yield Buffer.concat([Buffer.from('\r\n'), multipartBody(janeParts)])
}

/** Resolves with true if the socket did not drain within 1.5 s. */
function isStalled (socket: Socket): Promise<boolean> {
  return Promise.race([
    new Promise<boolean>(resolve => socket.once('drain', () => resolve(false))),
    new Promise<boolean>(resolve => setTimeout(() => resolve(true), 1500)),
  ])
}

t.test('the service stops reading from the caller when Procore stops reading', async t => {
  const upstreamSockets: Socket[] = []
  const server = createServer(socket => {
    upstreamSockets.push(socket)
    // Reads the headers and then nothing more.
    socket.on('error', () => {}).once('data', () => socket.pause())
  })
  const procoreUrl = `http://127.0.0.1:${await listen(t, server)}`
  const { port } = await startService(t, { env: { PROCORE_API_URL: procoreUrl, AVATAR_MAX_BYTES: '300000000' } })
  const caller = new RawConnection(port)
  const contentType = `content-type: multipart/form-data; boundary=${boundary}`
  caller.write(createUserHead(contentType, 'transfer-encoding: chunked'))
  let acceptedBytes = 0
  let stalled = false
  for await (const chunk of largeForm(200_000_000)) {
    caller.write(`${chunk.length.toString(16)}\r\n`).write(chunk).write('\r\n')
    acceptedBytes = caller.socket.bytesWritten - caller.socket.writableLength
    if (caller.socket.writableLength > 1_000_000) stalled = await isStalled(caller.socket)
    if (stalled) break
  }
  t.ok(stalled, 'the caller has to wait')
  t.ok(acceptedBytes < buffersMaxBytes, `${acceptedBytes} bytes were accepted`)

  caller.socket.destroy()
  const closed = upstreamSockets.map(socket => once(socket, 'close'))
  for (const socket of upstreamSockets) socket.resume()
  await Promise.all(closed)
})

t.test('the memory does not grow with an avatar', async t => {
  const rows = [
    { name: 'a PNG', image: largePng, smallMegabytes: 20, largeMegabytes: 300 },
    { name: 'a JPEG full of metadata', image: await largeJpeg(), smallMegabytes: 100, largeMegabytes: 1000 },
  ]
  for (const { name, image, smallMegabytes, largeMegabytes } of rows) {
    await t.test(`${name} of ${largeMegabytes} MB needs as much memory as one of ${smallMegabytes} MB`, async t => {
      const send = await startForMeasuring(t)
      const small = await send(image, smallMegabytes)
      const large = await send(image, largeMegabytes)
      t.ok(large - small < 150_000_000, `the peak is ${small} bytes, then ${large}`)
    })
  }
})

/** Starts the service as a process. Returns a function that uploads an image, and returns the peak of its memory. */
async function startForMeasuring (t: Test): Promise<(image: LargeImage, megabytes: number) => Promise<number>> {
  const accessToken = '{"access_token":"a","token_type":"bearer","expires_in":5400}'
  const server = createServer(socket => {
    socket.on('error', () => {}).on('data', chunk => {
      if (chunk.includes('grant_type')) socket.write(rawResponse('200 OK', accessToken))
      else if (chunk.includes('\r\n0\r\n\r\n')) socket.write(rawResponse('201 Created', '{"id":1}'))
    })
  })
  const procoreUrl = `http://127.0.0.1:${await listen(t, server)}`
  const service = spawnProgram(t, 'src/main.js', {
    ...serviceEnvironment({ url: procoreUrl, settings: { clientId: 'a', clientSecret: 'b' } }),
    AVATAR_MAX_BYTES: '1100000000',
  })
  const usersUrl = `${await service.listening}/companies/101/users`
  return async (image, megabytes) => {
    t.equal((await sendMultipart(usersUrl, largeForm(megabytes * 1_000_000, image))).status, 201)
    const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }
}

function rawResponse (status: string, body: string): string {
  return [
    `HTTP/1.1 ${status}`, 'content-type: application/json', `content-length: ${body.length}`, `\r\n${body}`,
  ].join('\r\n')
}
