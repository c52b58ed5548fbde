/**
 * The way of a form: hold, then stream. While all that was read fits the hold, nothing is sent; a form that ends inside it is
 * judged whole and sent whole. A larger one flows through at the pace of the slower side while the rest of it is still judged,
 * and its closing delimiter is written only once all of it is known to be valid; otherwise the upstream connection is destroyed.
 */
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

/** @throws {Problem} `malformed_form`, `avatar_type`, `avatar_too_large`, `request_timeout`, `validation_failed`, or what sending throws */
export function forwardForm (visit: RequestContext, boundary: string): Promise<UpstreamResult> {
  return new FormForwarder(visit, boundary).run()
}

class FormForwarder implements FormEvents {
  readonly #context: RequestContext
  readonly #validator: RecordValidator
  readonly #parser: MultipartParser
  readonly #reader: BodyReader
  readonly #encoder: MultipartEncoder
  /** What goes out: kept here while the form is held, pushed into the stream once it flows. */
  #buffer = new ByteBuffer()
  #stream: Readable | undefined
  #response: Promise<UpstreamResult> | undefined
  #isAborted = false
  #isDraining = false
  readonly #validated = Promise.withResolvers<string>()
  #hash: Hash | undefined
  /** Resolves when sending ended although the form has not. */
  readonly #answeredEarly = Promise.withResolvers<'early'>()

  constructor (visit: RequestContext, boundary: string) {
    this.#context = visit
    this.#validator = new RecordValidator(visit.compiled)
    this.#encoder = new MultipartEncoder(visit.compiled.rootKey ?? '')
    this.#parser = new MultipartParser(boundary, new FormDecoder(this.#validator, visit.bodyLimits, this), {
      partsMax: limits.multipart.partsMax,
      partHeadersMaxBytes: limits.multipart.partHeadersMaxBytes,
      preambleMaxBytes: limits.multipart.preambleMaxBytes,
    })
    this.#reader = new BodyReader(visit.raw, visit.bodyLimits, chunk => this.#read(chunk))
  }

  async run (): Promise<UpstreamResult> {
    const { record } = this.#context
    record.bodyMode = 'buffered'
    const endStage = startSpan(record, 'validate')
    try {
      const end = await Promise.race([this.#reader.read(this.#context.response), this.#answeredEarly.promise])
      if (end !== 'early') this.#finish()
    } catch (error) {
      this.#abort()
      throw error
    } finally {
      this.#reader.stop()
      record.bytesIn = this.#reader.bytes
      endStage()
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
    if (this.#reader.bytes > multipartMaxBytes(bodyLimits.avatarMaxBytes)) this.#rejectEndlessForm()
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
    return this.#validator.hasErrors || this.#context.parameterValidators.some(draft => draft.hasErrors)
  }

  /** Once a fault is known, or nothing needs to be sent, nothing is kept or sent any more. */
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
    const settle = () => { if (!this.#isAborted) this.#answeredEarly.resolve('early') }
    this.#response.then(settle, settle)
  }

  /** The form was read to its end: either it is valid, and the last delimiter goes out, or it never becomes complete. */
  #finish (): void {
    this.#parser.end()
    this.#validator.finalize()
    const problem = validationProblem([...this.#context.parameterValidators, this.#validator])
    if (problem !== undefined) throw problem
    this.#validated.resolve(this.#hash?.digest('hex') ?? '')
    this.#write(this.#encoder.close())
    if (!this.#isDraining) this.#stream?.push(null)
  }

  #toValidatedBody (body: Buffer | Readable): ValidatedBody {
    return { body, contentType: this.#encoder.contentType, values: this.#validator.values, validated: this.#validated.promise, drain: () => this.#drain(), stopBody: () => { this.#isDraining = true } }
  }

  #drain (): void {
    this.#isDraining = true
    this.#stream?.destroy()
    this.#reader.resume()
  }

  #sendBuffered (): Promise<UpstreamResult> {
    return this.#context.send(this.#toValidatedBody(this.#takeBuffered()))
  }

  /** Lets go of what is held, and destroys the upstream connection of a form that flowed. */
  #abort (): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#takeBuffered()
    this.#stream?.destroy(new Error('the form was given up'))
    this.#reader.resume()
  }

  /** Only faults can make a form this large: all else has limits of its own, which are met before. */
  #rejectEndlessForm (): void {
    throw validationProblem([...this.#context.parameterValidators, this.#validator]) ?? new Error('a form without a fault is over its largest size')
  }
}
