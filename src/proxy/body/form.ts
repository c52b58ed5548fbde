/** Forwards a multipart form: buffered if it is small, streamed if it is large, and never complete if it is invalid. */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { limits } from '../../config/limits.ts'
import { startSpan } from '../../telemetry/spans.ts'
import { hintMinorGc } from '../../server/gc-hint.ts'
import { isAbortReason, type AbortReason } from '../../server/abort.ts'
import { Problem } from '../../server/problem.ts'
import { BodyReader } from './reader.ts'
import { RecordValidator, validationProblem } from '../validation/record.ts'
import { FormDecoder, type FormEvents } from '../multipart/decoder.ts'
import { MultipartEncoder } from '../multipart/encoder.ts'
import type { ImageType } from '../image/signature.ts'
import { ByteBuffer } from './byte-buffer.ts'
import { multipartMaxBytes } from '../request-head.ts'
import { MultipartParser } from '../multipart/parser.ts'
import type { CompiledField } from '../validation/schema.ts'
import type { BodyValidation, EndpointResult, ValidatedBody, RequestContext } from '../context.ts'

/**
 * The state of the encoded form. `buffering`: it is collected. `streaming`: it is written to Procore. `draining`:
 * nothing more of it is sent, because Procore has responded, or because the idempotency key already has a result.
 * `invalid`: nothing more is sent; the rest is read so that all errors are reported together. `complete`: all of it was
 * handed over. A transition leads to a state further down only.
 */
type State =
  | { kind: 'buffering', buffer: ByteBuffer }
  | { kind: 'streaming', upstream: Readable }
  | { kind: 'draining' }
  | { kind: 'invalid' }
  | { kind: 'complete' }

const complete: State = { kind: 'complete' }
const noBytes = Buffer.alloc(0)

/**
 * Reads, validates and sends a form: buffers first, then streams. A form that fits `formBufferBytes` is validated
 * completely, then sent with a Content-Length. A larger one is streamed with backpressure while the rest of it is
 * validated. Its closing delimiter is written only once the whole form is valid. Otherwise the stream is destroyed with
 * the reason as its error, which closes the connection to Procore. Fails with `malformed_form`, `avatar_type`,
 * `avatar_too_large`, `request_timeout`, `validation_failed`, `too_many_requests`, `overloaded`, the reason of the
 * signal, or as sending does.
 */
export function forwardForm (context: RequestContext, boundary: string): Promise<EndpointResult> {
  return new FormForwarder(context, boundary).run()
}

const { partsMax, partHeadersMaxBytes, preambleMaxBytes } = limits.multipart
/** The parser has at most one header block and the epilogue in memory. */
const parserMaxBytes = partHeadersMaxBytes + preambleMaxBytes

class FormForwarder implements FormEvents {
  readonly #context: RequestContext
  readonly #validator: RecordValidator
  readonly #decoder: FormDecoder
  readonly #parser: MultipartParser
  readonly #reader: BodyReader
  readonly #encoder: MultipartEncoder
  #state: State = { kind: 'buffering', buffer: new ByteBuffer() }
  #countedBytes = 0
  /** The result of the request to Procore, once there is one. */
  #sent: Promise<EndpointResult> | undefined
  readonly #validated = Promise.withResolvers<BodyValidation>()
  #validation: BodyValidation | undefined
  /** Aborts when the form turns out to be invalid while it is sent. */
  readonly #sending = new AbortController()
  /** The whole form, if it was buffered to its end. */
  #bufferedBytes: Buffer = noBytes
  #hasImage = false
  #hash: Hash | undefined
  /** Digests of the images that have ended, by name. */
  readonly #imageDigests = new Map<string, string>()
  #beforeEnd: ((imageDigest: string) => Promise<void>) | undefined
  /** Resolves if Procore responds or fails before the upload ends. */
  readonly #answeredEarly = Promise.withResolvers<'early'>()

  constructor (context: RequestContext, boundary: string) {
    this.#context = context
    this.#validator = new RecordValidator(context.compiled, context.checkOperation)
    this.#encoder = new MultipartEncoder(context.compiled.rootKey ?? '')
    this.#decoder = new FormDecoder(this.#validator, context.bodyLimits, this)
    this.#parser = new MultipartParser(boundary, this.#decoder, { partsMax, partHeadersMaxBytes, preambleMaxBytes })
    this.#reader = new BodyReader(context, chunk => this.#read(chunk))
  }

  async run (): Promise<EndpointResult> {
    const { record, response } = this.#context
    record.bodyMode = 'buffered'
    const endSpan = startSpan(record, 'validate')
    try {
      this.#countKeptBytes()
      const end = await Promise.race([this.#reader.read(response), this.#answeredEarly.promise])
      if (end !== 'early') await this.#finish()
    } catch (error) {
      return await this.#fail(error)
    } finally {
      this.#reader.stop()
      record.bytesIn = this.#reader.bytes
      endSpan()
    }
    return this.#sent ?? this.#context.send(this.#toValidatedBody(this.#bufferedBytes))
  }

  #read (chunk: Buffer): void {
    const { bodyLimits: { formBufferBytes, avatarMaxBytes }, compiled, record } = this.#context
    const { bytes } = this.#reader
    record.bytesIn = bytes
    hintMinorGc(chunk.length)
    this.#parser.write(chunk)
    const full = this.#state.kind === 'buffering' && bytes > formBufferBytes ? this.#state.buffer : undefined
    if (full !== undefined) this.#validator.checkDependenciesSoFar()
    const problem = this.#validationProblem()
    if (problem !== undefined) this.#invalidate(problem)
    else if (full !== undefined) this.#startStreaming(full)
    this.#countKeptBytes()
    // Only an invalid form can be this large: all other limits are reached earlier.
    if (bytes <= multipartMaxBytes(avatarMaxBytes, compiled.images.size)) return
    throw problem ?? new Error('A form without errors exceeds the maximum size of a form.')
  }

  /** Counts all bytes of the form that are in memory. */
  #countKeptBytes (): void {
    const state = this.#state
    const encodedBytes = state.kind === 'buffering'
      ? state.buffer.allocatedBytes
      : state.kind === 'streaming' ? state.upstream.readableLength : this.#bufferedBytes.buffer.byteLength
    const keptBytes = parserMaxBytes + this.#decoder.keptBytes + this.#validator.keptBytes + encodedBytes
    this.#context.usage.add('bytes', keptBytes - this.#countedBytes)
    this.#countedBytes = keptBytes
  }

  field ({ name }: CompiledField, value: unknown): void {
    this.#write(this.#encoder.field(name, value))
  }

  imageStart (name: string, type: ImageType): void {
    this.#hasImage = true
    if (this.#context.hasIdempotencyKey) this.#hash = createHash('sha256')
    this.#write(this.#encoder.imageStart(name, type))
  }

  /** The fingerprint covers the bytes of the caller, so it does not depend on how metadata is removed. */
  imageData (data: Buffer, content: Buffer): void {
    this.#hash?.update(data)
    if (content.length > 0) this.#write(content)
  }

  imageEnd (name: string): void {
    if (this.#hash !== undefined) this.#imageDigests.set(name, this.#hash.digest('hex'))
    this.#write(this.#encoder.imageEnd())
  }

  /** Buffers or streams encoded bytes; discards them if they need not be sent. */
  #write (bytes: Buffer): void {
    const state = this.#state
    if (this.#validator.hasErrors) return
    if (state.kind === 'buffering') {
      state.buffer.add(bytes)
    } else if (state.kind === 'streaming' && !state.upstream.push(bytes)) {
      this.#reader.pause()
    }
  }

  #startStreaming (buffer: ByteBuffer): void {
    this.#context.usage.startUpload()
    this.#context.record.bodyMode = 'streamed'
    const upstream = new Readable({ read: () => this.#reader.resume() })
    upstream.on('error', () => {})
    this.#state = { kind: 'streaming', upstream }
    if (!upstream.push(buffer.bytes)) this.#reader.pause()
    const signal = AbortSignal.any([this.#context.signal, this.#sending.signal])
    this.#sent = this.#context.send({
      ...this.#toValidatedBody(upstream), signal, beforeEnd: action => { this.#beforeEnd = action },
    })
    // While an invalid form is read to its end, the failure of its request to Procore says nothing new.
    const onSettled = () => { if (this.#state.kind !== 'invalid') this.#answeredEarly.resolve('early') }
    this.#sent.then(onSettled, onSettled)
  }

  /** Writes the closing delimiter if the whole form is valid; otherwise throws, so that the form is never complete. */
  async #finish (): Promise<void> {
    this.#parser.end()
    this.#validator.finalize()
    const problem = this.#validationProblem()
    if (problem !== undefined) throw problem
    this.#decoder.end()
    const imageDigest = this.#imageDigest()
    this.#setValidation({ kind: 'valid', imageDigest })
    await this.#beforeEnd?.(imageDigest)
    const { generatedField } = this.#context
    if (generatedField !== undefined && !this.#validator.values.has(generatedField.name)) {
      this.#write(this.#encoder.field(generatedField.name, generatedField.value))
    }
    this.#write(this.#encoder.close())
    const state = this.#state
    if (state.kind === 'buffering') {
      this.#bufferedBytes = state.buffer.bytes
      this.#state = complete
    } else if (state.kind === 'streaming') {
      state.upstream.push(null)
      this.#state = complete
    }
  }

  /** The first result counts: a form that was valid may still fail to be sent. */
  #setValidation (validation: BodyValidation): void {
    this.#validation ??= validation
    this.#validated.resolve(this.#validation)
  }

  /** The order of the description makes it the same for the same images in any order. */
  #imageDigest (): string {
    if (this.#imageDigests.size === 0) return ''
    const names = [...this.#context.compiled.images.keys()]
    return names.map(name => this.#imageDigests.get(name) ?? '').join()
  }

  #validationProblem (): Problem | undefined {
    return validationProblem([...this.#context.parameterValidators, this.#validator])
  }

  /** Sends nothing more: releases the buffer, or destroys the stream and the connection to Procore with the reason. */
  #invalidate (reason: AbortReason): void {
    const state = this.#state
    if (state.kind === 'invalid') return
    this.#state = { kind: 'invalid' }
    this.#setValidation({ kind: 'invalid', reason })
    if (state.kind === 'streaming') state.upstream.destroy(reason)
    // Ends the waits for a permit or an access token.
    this.#sending.abort(reason)
    this.#reader.resume()
  }

  /** Returns the failure once the request to Procore has ended with it, and with it its idempotency key. */
  async #fail (error: unknown): Promise<EndpointResult> {
    const reason = isAbortReason(error) ? error : new Problem('internal', 'The form could not be read.')
    this.#invalidate(reason)
    await this.#sent
    if (reason !== error) throw error
    return { kind: 'failure', error: reason }
  }

  #toValidatedBody (content: Buffer | Readable): ValidatedBody {
    return {
      content,
      contentType: this.#encoder.contentType,
      hasImage: () => this.#hasImage,
      values: this.#validator.values,
      validated: this.#validated.promise,
      getValidation: () => this.#validation,
      drain: () => this.#drain(),
      stopBody: () => this.#stopBody(),
    }
  }

  /** The response that is arriving is the result; the rest of the form is not read. */
  #stopBody (): void {
    if (this.#state.kind !== 'streaming') return
    this.#state = { kind: 'draining' }
    this.#answeredEarly.resolve('early')
  }

  #drain (): void {
    if (this.#state.kind !== 'streaming') return
    this.#state.upstream.destroy()
    this.#state = { kind: 'draining' }
    this.#reader.resume()
  }
}
