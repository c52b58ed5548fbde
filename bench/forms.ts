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

const boundary = 'bench-9f2c41d07b'
const contentType = `multipart/form-data; boundary=${boundary}`
const chunkBytes = 65_536
const share = isQuickRun ? 0.05 : 1
const avatarBytes = 10_000_000
const maxBytes = 1_000_000_000

const kinds: Kind[] = [
  { name: 'ten fields', chunks: buildForm(Buffer.alloc(100, 'a')), count: 2000 },
  { name: 'avatar of 10 MB', chunks: buildForm(randomBytes(avatarBytes)), count: 10 },
  { name: '10 MB of line breaks', chunks: buildForm(Buffer.alloc(avatarBytes, '\r\n')), count: 4 },
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
function buildForm (file: Buffer): Buffer[] {
  const fields = Array.from({ length: 10 }, (_, index) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="user[field_${index}]"\r\n\r\nvalue ${index}\r\n`)
  const fileHead = `--${boundary}\r\nContent-Disposition: form-data; name="user[avatar]"; filename="a.png"\r\n` +
    'Content-Type: image/png\r\n\r\n'
  const form = Buffer.concat([Buffer.from(fields.join('') + fileHead), file, Buffer.from(`\r\n--${boundary}--\r\n`)])
  const starts = Array.from({ length: Math.ceil(form.length / chunkBytes) }, (_, index) => index * chunkBytes)
  return starts.map(start => form.subarray(start, start + chunkBytes))
}

function discard (file: Readable): void {
  file.resume()
}
