// The multipart parser: its work is proportional to the bytes of a form, also if they are chosen to make it slow.
import t from 'tap'
import { MultipartParser } from '../../src/proxy/multipart/parser.ts'
import { multipartBody } from '../helpers/requests.ts'
import { Random } from '../helpers/random.ts'

const boundary = '----WebKitFormBoundary0123456789abcdef'
const delimiter = Buffer.from(`\r\n--${boundary}`)
const limits = { partsMax: 64, partHeadersMaxBytes: 8192, preambleMaxBytes: 16_384 }

/** Node searches shorter texts by their first byte alone. Each one found takes as long as this many other bytes. */
const skippingSearchMinBytes = 8
const foundByteCost = 40
const bufferPrototype = Reflect.getPrototypeOf(Buffer.alloc(0)) ?? {}

/** Counts the searches, comparisons and copies of Buffer, and the bytes that they read. */
class Work {
  calls = 0
  bytes = 0

  measure (run: () => void): void {
    const search = (bytes: Buffer, result: unknown, args: unknown[]) => searchedBytes(bytes, Number(result), args)
    const restore = [
      this.#count(bufferPrototype, 'indexOf', search),
      this.#count(bufferPrototype, 'lastIndexOf', (bytes, result) => bytes.length - Number(result)),
      this.#count(bufferPrototype, 'compare', () => delimiter.length),
      this.#count(bufferPrototype, 'copy', (_, result) => Number(result)),
      this.#count(bufferPrototype, 'copyWithin', bytes => bytes.length),
      this.#count(Buffer, 'concat', (_, result) => Buffer.isBuffer(result) ? result.length : 0),
    ]
    try {
      run()
    } finally {
      for (const undo of restore) undo()
    }
  }

  #count (target: object, name: string, bytesOf: (bytes: Buffer, result: unknown, args: unknown[]) => number) {
    const own = Object.getOwnPropertyDescriptor(target, name)
    const method: unknown = Reflect.get(target, name)
    if (typeof method !== 'function') throw new Error(`Buffer has no ${name}.`)
    const value = new Proxy(method, {
      apply: (original, bytes: Buffer, args: unknown[]) => {
        const result: unknown = Reflect.apply(original, bytes, args)
        this.calls++
        this.bytes += bytesOf(bytes, result, args)
        return result
      },
    })
    Object.defineProperty(target, name, { value, configurable: true, writable: true })
    return () => {
      Reflect.deleteProperty(target, name)
      if (own !== undefined) Object.defineProperty(target, name, own)
    }
  }
}

function searchedBytes (bytes: Buffer, index: number, [text, start = 0]: unknown[]): number {
  const searched = bytes.subarray(Number(start), index < 0 ? bytes.length : index)
  if (!Buffer.isBuffer(text) || text.length >= skippingSearchMinBytes) return searched.length
  return searched.length + foundByteCost * searched.filter(byte => byte === text[0]).length
}

const random = new Random(1)
const nearDelimiter = Buffer.from(delimiter.subarray(0, -1))
const contentBytes = 30_000
const fileOf = (data: Buffer) => multipartBody([{ name: 'user[avatar]', filename: 'a.png', data }], boundary)
const partsOf = (headers: string) => multipartBody(
  Array.from({ length: limits.partsMax }, () => ({ rawHeaders: headers, data: 'v' })), boundary)

const forms: Array<{ name: string, form: Buffer }> = [
  { name: 'random bytes', form: fileOf(Buffer.from(Array.from({ length: contentBytes }, () => random.below(256)))) },
  ...['\r', '\r\n', '-', '\r\n--'].map(text => ({
    name: `${JSON.stringify(text)} alone`, form: fileOf(Buffer.alloc(contentBytes, text)),
  })),
  {
    name: 'delimiters without their last byte',
    form: fileOf(Buffer.alloc(contentBytes, Buffer.concat([nearDelimiter, Buffer.from('~')]))),
  },
  {
    name: 'CRs, each before the last byte of the delimiter',
    form: fileOf(Buffer.alloc(contentBytes, `\r${boundary.at(-1)}`)),
  },
  { name: 'small parts', form: partsOf('A: 1') },
  { name: 'long headers', form: partsOf(`A: ${'x'.repeat(2000)}`) },
]

for (const chunkBytes of [1, 7, delimiter.length - 1, delimiter.length, 1000, 65_536]) {
  t.test(`in chunks of ${chunkBytes} bytes, no content takes more than its share of the work`, async t => {
    for (const { name, form } of forms) {
      await t.test(`a form of ${name} takes work in proportion to its chunks, parts and bytes`, async t => {
        const chunks = Array.from({ length: Math.ceil(form.length / chunkBytes) }, (_, index) => {
          return form.subarray(index * chunkBytes, (index + 1) * chunkBytes)
        })
        let parts = 0
        const sink = { partStart: () => { parts++ }, partData: () => {}, partEnd: () => {} }
        const parser = new MultipartParser(boundary, sink, limits)
        const work = new Work()
        work.measure(() => {
          for (const chunk of chunks) parser.write(chunk)
          parser.end()
        })
        const callsMax = 8 * (chunks.length + parts)
        const bytesMax = 6 * form.length + 450 * (chunks.length + parts)
        t.ok(work.calls <= callsMax, `${work.calls} of at most ${callsMax} searches, comparisons and copies`)
        t.ok(work.bytes <= bytesMax, `${work.bytes} of at most ${bytesMax} bytes read`)
      })
    }
  })
}
