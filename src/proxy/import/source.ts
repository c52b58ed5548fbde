/** Reads the file of an import from a request: the whole body, or the one part of a form. */
import { limits } from '../../config/limits.ts'
import type { RequestContext } from '../context.ts'
import { BodyReader } from '../body/reader.ts'
import { MultipartParser, type PartSink } from '../multipart/parser.ts'
import { describePart, malformedForm, parsePartHeaders } from '../multipart/part-headers.ts'
import { fileTooLargeProblem, type BodyType } from '../request-head.ts'
import type { ImportFormat } from './row.ts'

/** A file that is being received. */
export interface ImportFile {
  format: ImportFormat
  /** Ends with the file. The upload is paused while the chunks are not read. Throws as `openFile` does. */
  chunks: AsyncIterable<Buffer>
}

type FileRequest = Pick<RequestContext, 'raw' | 'response' | 'signal' | 'bodyLimits' | 'usage' | 'record'>

/** Begins to read a file. @throws {Problem} `malformed_form`, `body_too_large`, `request_timeout` */
export async function openFile (request: FileRequest, body: BodyType | undefined): Promise<ImportFile> {
  const chunks = new FileReceiver(request, body).read()
  if (body?.kind !== 'multipart') return { format: body?.kind === 'ndjson' ? 'ndjson' : 'csv', chunks }
  // A browser declares the type by what is installed on the machine, so the content decides. A CSV file begins with the
  // name of a column.
  const first = await chunks.next()
  const start = first.done === true ? '' : first.value.toString('latin1', 0, sniffedBytes)
  const format = /^(?:\xef\xbb\xbf)?\s*\{/.test(start) ? 'ndjson' : 'csv'
  return { format, chunks: first.done === true ? chunks : prepend(first.value, chunks) }
}

const sniffedBytes = 64

async function * prepend (first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  yield first
  yield * rest
}

class FileReceiver implements PartSink {
  readonly #request: FileRequest
  readonly #reader: BodyReader
  readonly #parser: MultipartParser | undefined
  readonly #chunks: Buffer[] = []
  #parts = 0
  #end: { error: unknown } | 'complete' | undefined
  #onChange: () => void = () => {}

  constructor (request: FileRequest, body: BodyType | undefined) {
    this.#request = request
    // The caller must not time out while the upload is paused for Procore.
    const bodyLimits = { ...request.bodyLimits, timeoutMs: limits.imports.timeoutMs }
    this.#reader = new BodyReader({ ...request, bodyLimits }, chunk => this.#receive(chunk))
    this.#parser = body?.kind === 'multipart'
      ? new MultipartParser(body.boundary, this, limits.multipart)
      : undefined
  }

  /** Must be called once. */
  async * read (): AsyncGenerator<Buffer, void> {
    const { record } = this.#request
    this.#receiveAll().catch(() => {})
    try {
      for (;;) {
        // V8 frees a chunk that waits for long by full collections only, so none is received meanwhile.
        this.#reader.pause()
        yield * this.#chunks.splice(0)
        if (this.#end === 'complete') return
        if (this.#end !== undefined) throw this.#end.error
        this.#reader.resume()
        await new Promise<void>(resolve => { this.#onChange = resolve })
      }
    } finally {
      this.#reader.stop()
      record.bytesIn = this.#reader.bytes
    }
  }

  async #receiveAll (): Promise<void> {
    try {
      await this.#reader.read(this.#request.response)
      this.#parser?.end()
      if (this.#parser !== undefined && this.#parts === 0) throw malformedForm('The form has no file.')
      this.#end = 'complete'
    } catch (error) {
      this.#end = { error }
    }
    this.#onChange()
  }

  #receive (chunk: Buffer): void {
    if (this.#reader.bytes > limits.imports.maxBytes) throw fileTooLargeProblem(limits.imports.maxBytes)
    if (this.#parser === undefined) this.partData(chunk)
    else this.#parser.write(chunk)
  }

  partStart (headerBlock: Buffer): void {
    this.#parts++
    const { name, fileName } = parsePartHeaders(headerBlock, this.#parts)
    const part = describePart(this.#parts, name)
    if (this.#parts > 1) throw malformedForm(`${part} is not expected: a form has one file and no other part.`)
    if (fileName === 'none') throw malformedForm(`${part} is not a file: it has no file name.`)
  }

  partData (data: Buffer): void {
    this.#chunks.push(data)
    this.#onChange()
  }

  partEnd (data: Buffer): void {
    if (data.length > 0) this.partData(data)
  }
}
