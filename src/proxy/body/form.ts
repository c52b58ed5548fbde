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
import { Draft, faultsProblem } from '../validation/record.ts'
import { FormIn, type FormListener } from '../multipart/decoder.ts'
import { FormOut } from '../multipart/encoder.ts'
import type { ImageType } from '../image/signature.ts'
import { Gathered } from './byte-buffer.ts'
import { formMaxBytes } from '../request-head.ts'
import { MultipartParser } from '../multipart/parser.ts'
import type { FieldShape } from '../validation/schema.ts'
import type { Outgoing, Visit } from '../context.ts'

/** @throws {Problem} `malformed_form`, `avatar_type`, `avatar_too_large`, `request_timeout`, `validation_failed`, or what sending throws */
export function passForm (visit: Visit, boundary: string): Promise<UpstreamResult> {
  return new FormPassage(visit, boundary).pass()
}

class FormPassage implements FormListener {
  readonly #visit: Visit
  readonly #draft: Draft
  readonly #parser: MultipartParser
  readonly #reader: BodyReader
  readonly #out: FormOut
  /** What goes out: kept here while the form is held, pushed into the stream once it flows. */
  #held = new Gathered()
  #stream: Readable | undefined
  #sending: Promise<UpstreamResult> | undefined
  #givenUp = false
  #discarding = false
  readonly #complete = Promise.withResolvers<string>()
  #hash: Hash | undefined
  /** Resolves when sending ended although the form has not. */
  readonly #early = Promise.withResolvers<'early'>()

  constructor (visit: Visit, boundary: string) {
    this.#visit = visit
    this.#draft = new Draft(visit.shape)
    this.#out = new FormOut(visit.shape.key ?? '')
    this.#parser = new MultipartParser(boundary, new FormIn(this.#draft, visit.bodies, this), {
      maxParts: limits.multipart.partsMax,
      headMaxBytes: limits.multipart.partHeadersMaxBytes,
      marginMaxBytes: limits.multipart.preambleMaxBytes,
    })
    this.#reader = new BodyReader(visit.raw, visit.bodies, chunk => this.#read(chunk))
  }

  async pass (): Promise<UpstreamResult> {
    const { trail } = this.#visit
    trail.bodyMode = 'buffered'
    const endStage = startSpan(trail, 'validate')
    try {
      const end = await Promise.race([this.#reader.read(this.#visit.response), this.#early.promise])
      if (end !== 'early') this.#finish()
    } catch (error) {
      this.#giveUp()
      throw error
    } finally {
      this.#reader.stop()
      trail.bytesIn = this.#reader.bytes
      endStage()
    }
    return this.#sending ?? this.#sendWhole()
  }

  #read (chunk: Buffer): void {
    const { bodies, trail } = this.#visit
    trail.bytesIn = this.#reader.bytes
    hintMinorGc(chunk.length)
    this.#parser.write(chunk)
    if (this.#isFaulty) this.#giveUp()
    else if (this.#stream === undefined && this.#reader.bytes > bodies.formBufferBytes) this.#flow()
    if (this.#reader.bytes > formMaxBytes(bodies.avatarMaxBytes)) this.#refuseEndless()
  }

  field ({ name }: FieldShape, value: unknown): void {
    this.#put(this.#out.field(name, value))
  }

  imageStart (type: ImageType): void {
    if (this.#visit.isKeyed) this.#hash = createHash('sha256')
    this.#put(this.#out.imageStart(this.#visit.shape.image?.name ?? '', type))
  }

  imageData (data: Buffer): void {
    this.#hash?.update(data)
    this.#put(data)
  }

  imageEnd (): void {
    this.#put(this.#out.imageEnd())
  }

  get #isFaulty (): boolean {
    return this.#draft.isFaulty || this.#visit.drafts.some(draft => draft.isFaulty)
  }

  /** Once a fault is known, or nothing needs to be sent, nothing is kept or sent any more. */
  #put (bytes: Buffer): void {
    if (this.#isFaulty || this.#discarding) return
    if (this.#stream === undefined) this.#hold(bytes)
    else if (!this.#stream.push(bytes)) this.#reader.pause()
  }

  #hold (bytes: Buffer): void {
    this.#visit.held.take(bytes.length)
    this.#held.add(bytes)
  }

  #letGo (): Buffer {
    const { bytes } = this.#held
    this.#visit.held.give(bytes.length)
    this.#held = new Gathered()
    return bytes
  }

  #flow (): void {
    this.#draft.judgeGiven()
    if (this.#draft.isFaulty) return
    this.#visit.trail.bodyMode = 'streamed'
    const stream = new Readable({ read: () => this.#reader.resume() })
    stream.on('error', () => {})
    this.#stream = stream
    this.#put(this.#letGo())
    this.#sending = this.#visit.send(this.#outgoing(stream))
    const settle = () => { if (!this.#givenUp) this.#early.resolve('early') }
    this.#sending.then(settle, settle)
  }

  /** The form was read to its end: either it is valid, and the last delimiter goes out, or it never becomes complete. */
  #finish (): void {
    this.#parser.end()
    this.#draft.finish()
    const problem = faultsProblem([...this.#visit.drafts, this.#draft])
    if (problem !== undefined) throw problem
    this.#complete.resolve(this.#hash?.digest('hex') ?? '')
    this.#put(this.#out.close())
    if (!this.#discarding) this.#stream?.push(null)
  }

  #outgoing (body: Buffer | Readable): Outgoing {
    return { body, contentType: this.#out.contentType, values: this.#draft.values, complete: this.#complete.promise, discard: () => this.#discard(), halt: () => { this.#discarding = true } }
  }

  #discard (): void {
    this.#discarding = true
    this.#stream?.destroy()
    this.#reader.resume()
  }

  #sendWhole (): Promise<UpstreamResult> {
    return this.#visit.send(this.#outgoing(this.#letGo()))
  }

  /** Lets go of what is held, and destroys the upstream connection of a form that flowed. */
  #giveUp (): void {
    if (this.#givenUp) return
    this.#givenUp = true
    this.#letGo()
    this.#stream?.destroy(new Error('the form was given up'))
    this.#reader.resume()
  }

  /** Only faults can make a form this large: all else has limits of its own, which are met before. */
  #refuseEndless (): void {
    throw faultsProblem([...this.#visit.drafts, this.#draft]) ?? new Error('a form without a fault is over its largest size')
  }
}
