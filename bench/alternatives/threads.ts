/**
 * Compares the parts of a request that a worker thread could take over with what it costs the main thread to send their
 * data to a worker and back. Each figure is the processor time of the main thread alone.
 */
import { hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose'
import { Secret } from '../../src/config/secret.ts'
import { parseExactJson } from '../../src/proxy/body/exact-json.ts'
import { ImageReader } from '../../src/proxy/image/reader.ts'
import { detectImageType } from '../../src/proxy/image/signature.ts'
import { Encryptor } from '../../src/storage/encryption.ts'
import { createBody, fail, rounds, saveResults } from '../helpers.ts'
import { formatRounds } from '../statistics.ts'
import { markdownTable } from '../tables.ts'

const runs = 3200
const batch = 64
const chunkBytes = 65_536
const worker = new Worker(new URL('echo-worker.ts', import.meta.url))
await once(worker, 'online')

const body = Buffer.from(createBody)
/** A JPEG of 16 × 16 grey pixels up to its scan, and bytes of a scan, in which 0xff is followed by zero. */
const head = Buffer.from('ffd8ffc0000b080010001001011100ffda0008010100003f00', 'hex')
const chunk = Buffer.from(randomBytes(chunkBytes).toString('latin1').replaceAll('\xff', '\xff\0'), 'latin1')
const imageType = detectImageType(head) ?? fail('The image has no type.')
const encryptor = new Encryptor(new Secret('secret'))
const record = { state: 'answered', fingerprint: 'f'.repeat(64), verdict: { base64: body.toString('base64') } }
const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
const key = await importJWK(await exportJWK(publicKey), 'ES256')
const jwt = await new SignJWT({ sub: 'caller' }).setProtectedHeader({ alg: 'ES256' }).setExpirationTime('1h')
  .sign(privateKey)

let image = createImage()
let transferred = new ArrayBuffer(chunkBytes)
const measures: Record<string, () => unknown> = {
  'a body of 500 bytes to a worker and back, alone': () => roundTrip(body.toString()),
  'the same, 64 at once': () => new Promise<void>(resolve => {
    let replies = 0
    worker.on('message', function onMessage () {
      if (++replies < batch) return
      worker.off('message', onMessage)
      resolve()
    })
    for (let index = 0; index < batch; index++) worker.postMessage(body.toString())
  }),
  'a chunk of 64 KB, transferred': async () => {
    const message: unknown = await roundTrip(transferred, [transferred])
    transferred = message instanceof ArrayBuffer ? message : fail('The worker did not return the memory.')
  },
  'parse and serialize the JSON': () => Buffer.from(JSON.stringify(parseExactJson(body.toString()))),
  'hash the body': () => hash('sha256', body),
  'encrypt the record of a key': () => encryptor.encrypt('id', record),
  'verify an unknown JWT (ES256)': () => jwtVerify(jwt, key),
  'remove metadata from 64 KB of a JPEG': () => image.write(chunk),
  'hash 64 KB': () => hash('sha256', chunk),
}
const measurements: Record<string, number[]> = {}
for (let round = 0; round <= rounds; round++) {
  for (const [name, run] of Object.entries(measures)) {
    const isBatch = name.includes('64 at once')
    const count = isBatch ? runs / batch : runs
    image = createImage()
    const before = process.threadCpuUsage()
    for (let index = 0; index < count; index++) await run()
    const { user, system } = process.threadCpuUsage(before)
    // The first round is the warm-up.
    if (round > 0) (measurements[name] ??= []).push((user + system) / runs)
  }
}
await worker.terminate()
saveResults('threads.json', { measurements })
process.stdout.write(markdownTable(
  ['processor time of the main thread', 'µs'],
  Object.entries(measurements).map(([name, micros]) => [name, formatRounds(micros, 1)])
))

function createImage (): ImageReader {
  const reader = new ImageReader(imageType, 'strip')
  reader.write(head)
  return reader
}

async function roundTrip (message: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
  worker.postMessage(message, transfer)
  const replies: unknown[] = await once(worker, 'message')
  return replies[0]
}
