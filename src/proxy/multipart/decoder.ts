import type { Config } from '../../config/index.ts'
import { textMaxBytes } from '../../endpoints/fields.ts'
import { Problem } from '../../server/problem.ts'
import type { RecordValidator } from '../validation/record.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import type { ImageFault } from '../image/format.ts'
import { ImageReader } from '../image/reader.ts'
import { detectImageType, signatureBytes, type ImageType } from '../image/signature.ts'
import { describeUnsupportedType } from '../image/unsupported-type.ts'
import type { PartSink } from './parser.ts'
import { decodeText } from './charset.ts'
import { describePart, malformedForm, parsePartHeaders, type PartHeaders } from './part-headers.ts'
import { sizeViolation, type CompiledField } from '../validation/schema.ts'

/** Limits of an image, in bytes, and in pixels as its header declares them, and whether its metadata is removed. */
export type ImageOptions = Pick<Config['body'], 'avatarMaxBytes' | 'avatarMaxPixels' | 'avatarMetadata'>

/** Receives the valid fields and the images of a form as they come, and booleans and lists at its end. */
export interface FormEvents {
  field (field: CompiledField, value: unknown): void
  imageStart (name: string, type: ImageType): void
  /** `data` are bytes as the caller sent them; `content` is what has become ready to be sent, and may be empty. */
  imageData (data: Buffer, content: Buffer): void
  imageEnd (name: string): void
}

interface ImagePart {
  kind: 'image'
  /** The name of the image in the description. */
  name: string
  headers: PartHeaders
  reader: ImageReader | undefined
}

interface TextPart { kind: 'text', field: CompiledField, headers: PartHeaders }
type Part = ImagePart | TextPart | { kind: 'ignored' }

/**
 * Decodes and validates the parts of one form as they come, in any order. A text is converted and validated at the end
 * of its part. The type of an image is detected by its first bytes, and its content is passed on. Invalid fields
 * become errors of the validator. The methods throw a Problem for errors that end the form at once: `malformed_form`,
 * `unsupported_media_type`, `avatar_type`, `avatar_too_large`.
 */
export class FormDecoder implements PartSink {
  readonly #validator: RecordValidator
  readonly #imageOptions: ImageOptions
  readonly #events: FormEvents
  #part: Part = { kind: 'ignored' }
  /** Position of the part in the form, starting at 1. */
  #parts = 0
  #bytes = 0
  /** The text of a part that is in several chunks, or the first bytes of the image. */
  #partial = new ByteBuffer()

  constructor (validator: RecordValidator, imageOptions: ImageOptions, events: FormEvents) {
    this.#validator = validator
    this.#imageOptions = imageOptions
    this.#events = events
  }

  /** Bytes of the current part that are in memory. */
  get keptBytes (): number {
    return this.#partial.allocatedBytes
  }

  partStart (headerBlock: Buffer): void {
    const headers = parsePartHeaders(headerBlock, ++this.#parts)
    this.#bytes = 0
    this.#partial = new ByteBuffer()
    this.#part = this.#matchField(headers)
  }

  partData (data: Buffer): void {
    const part = this.#part
    this.#bytes += data.length
    if (part.kind === 'text') this.#textData(part.field, data)
    else if (part.kind === 'image') this.#imageData(part, data)
  }

  partEnd (data: Buffer): void {
    const part = this.#part
    this.#bytes += data.length
    if (part.kind === 'text') this.#textEnd(part, data)
    else if (part.kind === 'image') this.#imageEnd(part, data)
    this.#part = { kind: 'ignored' }
    this.#partial = new ByteBuffer()
  }

  #matchField (headers: PartHeaders): Part {
    const { compiled } = this.#validator
    const path = parseFieldName(headers.name)
    // Each item of a list has a part whose name ends with `[]`.
    const isListName = path.length === 3 && path[2] === ''
    const name = path[0] === compiled.rootKey && (path.length === 2 || isListName) ? path[1] : undefined
    const found = name === undefined ? undefined : compiled.fields.get(name)
    const field = found?.isList === isListName ? found : undefined
    const isImage = !isListName && name !== undefined && compiled.images.has(name)
    if (name === undefined || (field === undefined && !isImage)) {
      this.#validator.addUnknownField(path, headers.name)
      return { kind: 'ignored' }
    }
    // Frameworks send a hidden `0` before a checkbox. If it is ticked, its value comes second.
    const isFirst = this.#validator.markSeen(name, field?.isList === true || field?.kind === 'Boolean')
    if (!isFirst) return { kind: 'ignored' }
    return field === undefined ? { kind: 'image', name, headers, reader: undefined } : { kind: 'text', field, headers }
  }

  #textData (field: CompiledField, data: Buffer): void {
    if (this.#bytes <= textMaxBytes) {
      this.#partial.add(data)
      return
    }
    this.#validator.addError(field.name, sizeViolation)
    this.#part = { kind: 'ignored' }
    this.#partial = new ByteBuffer()
  }

  #textEnd ({ field, headers: { name, fileName, charset } }: TextPart, data: Buffer): void {
    if (this.#bytes > textMaxBytes) return this.#validator.addError(field.name, sizeViolation)
    if (fileName === 'given' || (fileName === 'empty' && this.#bytes > 0)) {
      return this.#validator.addError(field.name, { rule: 'type', message: 'must be text, not a file' })
    }
    // An untouched file input.
    if (fileName === 'empty') return
    const bytes = this.#partial.length === 0 ? data : Buffer.concat([this.#partial.bytes, data])
    const text = decodeText(bytes, charset)
    if (text === undefined) throw malformedForm(`${describePart(this.#parts, name)} is not valid UTF-8.`)
    if (field.isList) {
      // Frameworks send an empty value for a list in which nothing was selected.
      if (text !== '' || !field.emptyIsAbsent) this.#validator.appendText(field, text)
      return
    }
    const isSet = this.#validator.setText(field, text, true)
    // The last value of a boolean counts, so it is not final before the end of the form.
    if (isSet && field.kind !== 'Boolean') this.#events.field(field, this.#validator.values.get(field.name))
  }

  /** Must be called at the end of the form. Emits the booleans and the lists. */
  end (): void {
    for (const field of this.#validator.compiled.fields.values()) {
      const value = this.#validator.values.get(field.name)
      if (typeof value === 'boolean' || Array.isArray(value)) this.#events.field(field, value)
    }
  }

  #imageData (part: ImagePart, data: Buffer): void {
    if (part.headers.fileName !== 'given') {
      this.#validator.addError(part.name, { rule: 'type', message: 'must be a file with a file name' })
      this.#part = { kind: 'ignored' }
      return
    }
    const { avatarMaxBytes } = this.#imageOptions
    if (this.#bytes > avatarMaxBytes) {
      throw new Problem('avatar_too_large', `The ${part.name} has more than ${avatarMaxBytes} bytes.`)
    }
    if (part.reader === undefined) this.#imageHead(part, data)
    else this.#imageBody(part.name, part.reader, data)
  }

  /** Buffers the first bytes until the type can be detected; usually they come in one chunk. */
  #imageHead (part: ImagePart, data: Buffer): void {
    this.#partial.add(data)
    if (this.#bytes >= signatureBytes) this.#imageStart(part)
  }

  #imageStart (part: ImagePart): ImageReader {
    const type = detectImageType(this.#partial.bytes.subarray(0, signatureBytes))
    if (type === undefined) throw avatarType(describeUnsupportedType(part.name, this.#partial.bytes))
    const reader = part.reader = new ImageReader(type, this.#imageOptions.avatarMetadata)
    this.#events.imageStart(part.name, type)
    const { bytes } = this.#partial
    this.#partial = new ByteBuffer()
    this.#imageBody(part.name, reader, bytes)
    return reader
  }

  #imageBody (name: string, reader: ImageReader, data: Buffer): void {
    const content = reader.write(data)
    const { state, pixels } = reader
    if (state !== 'incomplete' && state !== 'complete') throw avatarType(`The ${name} ${faultDetails[state]}`)
    const { avatarMaxPixels } = this.#imageOptions
    if (pixels > avatarMaxPixels) {
      throw new Problem('avatar_too_large', `The ${name} declares more than ${avatarMaxPixels} pixels.`)
    }
    this.#events.imageData(data, content)
  }

  #imageEnd (part: ImagePart, data: Buffer): void {
    if (data.length > 0) this.#imageData(part, data)
    if (this.#part.kind === 'ignored') return
    if (this.#bytes === 0) {
      // Browsers send an untouched file input as an empty part with an empty file name.
      if (part.headers.fileName !== 'given') return
      return this.#validator.addError(part.name, { rule: 'size', message: 'must not be empty' })
    }
    const reader = part.reader ?? this.#imageStart(part)
    if (reader.state === 'incomplete') throw avatarType(`The header of the ${part.name} is incomplete.`)
    this.#events.imageData(noBytes, reader.end())
    this.#events.imageEnd(part.name)
  }
}

const noBytes = Buffer.alloc(0)

/** Each continues a sentence that starts with the name of the image. */
const faultDetails: Record<ImageFault, string> = {
  fragmented: 'consists of too many small pieces.',
  raw: 'is a raw file of a camera, not a TIFF image.',
  invalid_length: 'is damaged: one of its parts declares an impossible length. Save it again as an image.',
}

const avatarType = (detail: string) => new Problem('avatar_type', detail)

/**
 * Splits a field name as Rails does: `user[email_address]` becomes `user` and `email_address`. Any other syntax is one
 * step.
 */
function parseFieldName (name: string): string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])+)$/.exec(name)
  if (match?.[1] === undefined || match[2] === undefined) return [name]
  return [match[1], ...match[2].slice(1, -1).split('][')]
}
