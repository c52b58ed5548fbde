/**
 * Measures the multipart parser of the service beside those that Node programs use, on the same bodies, in this
 * process. Each parser reads all parts of a form and discards their content.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { Busboy as FastifyBusboy } from '@fastify/busboy'
import { MultipartParser as RemixParser } from '@remix-run/multipart-parser'
import busboy from 'busboy'
import { MultipartParser } from '../src/proxy/multipart/parser.ts'
import { isQuickRun, resultsFolder, rounds, saveResults } from './helpers.ts'
import { readForms, type FormsMeasurement } from './result-schemas.ts'
import { formsTable } from './tables.ts'

/** Reads one form, whose chunks are as large as those of a socket. */
type ReadForm = (chunks: readonly Buffer[]) => void | Promise<void>

interface Kind { name: string, chunks: Buffer[], count: number }

/** A browser's boundary has this length, which parsers use to skip bytes. */
const boundary = '----WebKitFormBoundary7MA4YWxkTrZu0gWq'
const contentType = `multipart/form-data; boundary=${boundary}`
const chunkBytes = 65_536
const share = isQuickRun ? 0.05 : 1
const avatarBytes = 10_000_000
const maxBytes = 1_000_000_000

const longHeader = `\r\nX: ${'x'.repeat(8000)}`
const nearDelimiter = `\r\n--${boundary.slice(0, -1)}~`
const kinds: Kind[] = [
  { name: 'ten fields', chunks: buildForm(Buffer.alloc(100, 'a')), count: 2000 },
  { name: '64 small parts', chunks: split(buildFields(64, ''), chunkBytes), count: 1000 },
  { name: '32 parts with headers of 8 kB', chunks: split(buildFields(32, longHeader), chunkBytes), count: 200 },
  { name: '10 MB of random bytes', chunks: buildForm(randomBytes(avatarBytes)), count: 10 },
  { name: '10 MB of CR LF', chunks: buildForm(Buffer.alloc(avatarBytes, '\r\n')), count: 4 },
  { name: '10 MB of CR', chunks: buildForm(Buffer.alloc(avatarBytes, '\r')), count: 4 },
  { name: '10 MB of hyphens', chunks: buildForm(Buffer.alloc(avatarBytes, '-')), count: 4 },
  { name: '10 MB of CR LF and two hyphens', chunks: buildForm(Buffer.alloc(avatarBytes, '\r\n--')), count: 4 },
  { name: '10 MB of almost delimiters', chunks: buildForm(Buffer.alloc(avatarBytes, nearDelimiter)), count: 4 },
  {
    name: '10 MB of CR and the last byte of the delimiter',
    chunks: buildForm(Buffer.alloc(avatarBytes, `\r${boundary.at(-1)}`)),
    count: 4,
  },
  { name: '20 kB in chunks of a byte', chunks: buildForm(randomBytes(20_000), 1), count: 20 },
  { name: '20 kB of CR LF in chunks of a byte', chunks: buildForm(Buffer.alloc(20_000, '\r\n'), 1), count: 20 },
  {
    name: '20 kB of almost delimiters, each a chunk',
    chunks: buildForm(Buffer.alloc(20_000, nearDelimiter), nearDelimiter.length),
    count: 200,
  },
  { name: '8 kB of headers in chunks of a byte', chunks: split(buildFields(1, longHeader), 1), count: 20 },
]

const parsers: Record<string, ReadForm> = {
  'this service': chunks => {
    const sink = { partStart: () => {}, partData: () => {}, partEnd: () => {} }
    const limits = { partsMax: 64, partHeadersMaxBytes: 8192, preambleMaxBytes: 16_384 }
    const parser = new MultipartParser(boundary, sink, limits)
    for (const chunk of chunks) parser.write(chunk)
    parser.end()
  },
  busboy: async chunks => {
    const parser = busboy({ headers: { 'content-type': contentType } })
    parser.on('file', (_name, file) => discard(file))
    for (const chunk of chunks) if (!parser.write(chunk)) await once(parser, 'drain')
    parser.end()
    await once(parser, 'close')
  },
  '@fastify/busboy': async chunks => {
    const parser = new FastifyBusboy({ headers: { 'content-type': contentType } })
    parser.on('file', (_name, file) => discard(file))
    for (const chunk of chunks) if (!parser.write(chunk)) await once(parser, 'drain')
    parser.end()
    await once(parser, 'finish')
  },
  // It collects the content of each part in memory.
  '@remix-run/multipart-parser': chunks => {
    const parser = new RemixParser(boundary, { maxFileSize: maxBytes, maxTotalSize: maxBytes })
    for (const chunk of chunks) Array.from(parser.write(chunk))
    parser.finish()
  },
}

const measurements: Record<string, FormsMeasurement[]> = {}
for (const readForm of Object.values(parsers)) await measure(readForm)
for (let round = 0; round < rounds; round++) {
  for (const [name, readForm] of Object.entries(parsers)) {
    measurements[name] = [...measurements[name] ?? [], await measure(readForm)]
  }
}
saveResults('forms.json', { kinds: kinds.map(({ name }) => name), measurements })
process.stdout.write(`${formsTable(readForms(resultsFolder))}\n`)

/** Returns the processor time of one form of each kind, in microseconds. */
async function measure (readForm: ReadForm): Promise<FormsMeasurement> {
  const microsByKind: number[] = []
  for (const { chunks, count } of kinds) {
    const formCount = Math.ceil(count * share)
    const usageBefore = process.cpuUsage()
    for (let form = 0; form < formCount; form++) await readForm(chunks)
    const { user, system } = process.cpuUsage(usageBefore)
    microsByKind.push((user + system) / formCount)
  }
  return { microsByKind }
}

/** Builds a form of ten fields and a file. */
function buildForm (file: Buffer, bytesPerChunk = chunkBytes): Buffer[] {
  const fileHead = 'Content-Disposition: form-data; name="user[avatar]"; filename="a.png"\r\n' +
    'Content-Type: image/png\r\n\r\n'
  const fields = buildFields(10, '').subarray(0, -2)
  const form = Buffer.concat([fields, Buffer.from(`\r\n${fileHead}`), file, Buffer.from(`\r\n--${boundary}--`)])
  return split(form, bytesPerChunk)
}

/** Nothing follows the last delimiter: @remix-run/multipart-parser rejects a chunk after it. */
function buildFields (count: number, moreHeaders: string): Buffer {
  const fields = Array.from({ length: count }, (_, index) => {
    const headers = `Content-Disposition: form-data; name="user[field_${index}]"${moreHeaders}`
    return `--${boundary}\r\n${headers}\r\n\r\nvalue ${index}\r\n`
  })
  return Buffer.from(`${fields.join('')}--${boundary}--`)
}

/** Copies small chunks, as a socket would deliver them. */
function split (form: Buffer, bytesPerChunk: number): Buffer[] {
  return Array.from({ length: Math.ceil(form.length / bytesPerChunk) }, (_, index) => {
    const chunk = form.subarray(index * bytesPerChunk, (index + 1) * bytesPerChunk)
    return bytesPerChunk < chunkBytes ? Buffer.from(chunk) : chunk
  })
}

function discard (file: Readable): void {
  file.resume()
}
