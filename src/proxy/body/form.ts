/** Forwards a multipart form: buffered if it is small, streamed if it is large, and never complete if it is invalid. */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { limits } from '../../config/limits.ts'
import { startSpan } from '../../telemetry/spans.ts'
import { hintMinorGc } from '../../server/gc-hint.ts'
import type { UpstreamResult } from '../../procore/interpret.ts'
import { BodyReader } from './reader.ts'
import { RecordValidator, validationProblem } from '../validation/record.ts'
import { FormDecoder, type FormEvents } from '../multipart/decoder.ts'
import { MultipartEncoder } from '../multipart/encoder.ts'
import type { ImageType } from '../image/signature.ts'
import { ByteBuffer } from './byte-buffer.ts'
import { multipartMaxBytes } from '../request-head.ts'
import { MultipartParser } from '../multipart/parser.ts'
import type { CompiledField } from '../validation/schema.ts'
import type { ValidatedBody, RequestContext } from '../context.ts'

/**
 * Reads, validates and sends a form: buffers first, then streams. A form that fits `formBufferBytes` is validated
 * completely, then sent with a Content-Length. A larger one is streamed with backpressure while the rest of it is
 * validated. Its closing delimiter is written only once the whole form is valid; otherwise the upstream connection is
 * destroyed.
 * @throws {Problem} `malformed_form`, `avatar_type`, `avatar_too_large`, `request_timeout`, `validation_failed`, or
 * what sending throws
 */
export function forwardForm (context: RequestContext, boundary: string): Promise<UpstreamResult> {
  return new FormForwarder(context, boundary).run()
}

class FormForwarder implements FormEvents {
  readonly #context: RequestContext
  readonly #validator: RecordValidator
  readonly #parser: MultipartParser
  readonly #reader: BodyReader
  readonly #encoder: MultipartEncoder
  /** The encoded form, until it is sent or streaming starts. */
  #buffer = new ByteBuffer()
  /** The upstream body, once streaming has started. */
  #stream: Readable | undefined
  #response: Promise<UpstreamResult> | undefined
  #isAborted = false
  #isDraining = false
  readonly #validated = Promise.withResolvers<string>()
  #hash: Hash | undefined
  /** Resolves if Procore responds or fails before the upload ends. */
  readonly #answeredEarly = Promise.withResolvers<'early'>()

  constructor (context: RequestContext, boundary: string) {
    this.#context = context
    this.#validator = new RecordValidator(context.compiled)
    this.#encoder = new MultipartEncoder(context.compiled.rootKey ?? '')
    const { partsMax, partHeadersMaxBytes, preambleMaxBytes } = limits.multipart
    const decoder = new FormDecoder(this.#validator, context.bodyLimits, this)
    this.#parser = new MultipartParser(boundary, decoder, { partsMax, partHeadersMaxBytes, preambleMaxBytes })
    this.#reader = new BodyReader(context.raw, context.bodyLimits, chunk => this.#read(chunk))
  }

  async run (): Promise<UpstreamResult> {
    const { record } = this.#context
    record.bodyMode = 'buffered'
    const endSpan = startSpan(record, 'validate')
    try {
      const end = await Promise.race([this.#reader.read(this.#context.response), this.#answeredEarly.promise])
      if (end !== 'early') this.#finish()
    } catch (error) {
      this.#abort()
      throw error
    } finally {
      this.#reader.stop()
      record.bytesIn = this.#reader.bytes
      endSpan()
    }
    return this.#response ?? this.#sendBuffered()
  }

  #read (chunk: Buffer): void {
    const { bodyLimits, record } = this.#context
    record.bytesIn = this.#reader.bytes
    hintMinorGc(chunk.length)
    this.#parser.write(chunk)
    if (this.#hasErrors) this.#abort()
    else if (this.#stream === undefined && this.#reader.bytes > bodyLimits.formBufferBytes) this.#startStreaming()
    if (this.#reader.bytes > multipartMaxBytes(bodyLimits.avatarMaxBytes)) this.#rejectOversizedForm()
  }

  field ({ name }: CompiledField, value: unknown): void {
    this.#write(this.#encoder.field(name, value))
  }

  imageStart (type: ImageType): void {
    if (this.#context.hasIdempotencyKey) this.#hash = createHash('sha256')
    this.#write(this.#encoder.imageStart(this.#context.compiled.image?.name ?? '', type))
  }

  imageData (data: Buffer): void {
    this.#hash?.update(data)
    this.#write(data)
  }

  imageEnd (): void {
    this.#write(this.#encoder.imageEnd())
  }

  get #hasErrors (): boolean {
    const { parameterValidators } = this.#context
    return this.#validator.hasErrors || parameterValidators.some(validator => validator.hasErrors)
  }

  /** Buffers or streams encoded bytes; discards them once there is an error or the rest need not be sent. */
  #write (bytes: Buffer): void {
    if (this.#hasErrors || this.#isDraining) return
    if (this.#stream === undefined) this.#appendToBuffer(bytes)
    else if (!this.#stream.push(bytes)) this.#reader.pause()
  }

  #appendToBuffer (bytes: Buffer): void {
    this.#context.memoryBudget.reserve(bytes.length)
    this.#buffer.add(bytes)
  }

  #takeBuffered (): Buffer {
    const { bytes } = this.#buffer
    this.#context.memoryBudget.release(bytes.length)
    this.#buffer = new ByteBuffer()
    return bytes
  }

  #startStreaming (): void {
    this.#validator.checkDependenciesSoFar()
    if (this.#validator.hasErrors) return
    this.#context.record.bodyMode = 'streamed'
    const stream = new Readable({ read: () => this.#reader.resume() })
    stream.on('error', () => {})
    this.#stream = stream
    this.#write(this.#takeBuffered())
    this.#response = this.#context.send(this.#toValidatedBody(stream))
    const onSettled = () => { if (!this.#isAborted) this.#answeredEarly.resolve('early') }
    this.#response.then(onSettled, onSettled)
  }

  /** Writes the closing delimiter if the whole form is valid; otherwise throws, so that the form is never complete. */
  #finish (): void {
    this.#parser.end()
    this.#validator.finalize()
    const problem = this.#validationProblem()
    if (problem !== undefined) throw problem
    this.#validated.resolve(this.#hash?.digest('hex') ?? '')
    this.#write(this.#encoder.close())
    if (!this.#isDraining) this.#stream?.push(null)
  }

  #validationProblem (): ReturnType<typeof validationProblem> {
    return validationProblem([...this.#context.parameterValidators, this.#validator])
  }

  #toValidatedBody (body: Buffer | Readable): ValidatedBody {
    return {
      body,
      contentType: this.#encoder.contentType,
      values: this.#validator.values,
      validated: this.#validated.promise,
      drain: () => this.#drain(),
      stopBody: () => { this.#isDraining = true },
    }
  }

  #drain (): void {
    this.#isDraining = true
    this.#stream?.destroy()
    this.#reader.resume()
  }

  #sendBuffered (): Promise<UpstreamResult> {
    return this.#context.send(this.#toValidatedBody(this.#takeBuffered()))
  }

  /**
   * Releases the buffer, and destroys the upstream connection of a streamed form. The reader goes on, so that all
   * errors of the form are reported together.
   */
  #abort (): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#takeBuffered()
    this.#stream?.destroy(new Error('The form was aborted.'))
    this.#reader.resume()
  }

  /** Only an invalid form can be this large: all other limits are reached earlier. */
  #rejectOversizedForm (): void {
    throw this.#validationProblem() ?? new Error('A form without errors exceeds the maximum size of a form.')
  }
}
