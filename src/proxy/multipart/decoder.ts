import type { Config } from '../../config/index.ts'
import { textMaxBytes } from '../../endpoints/fields.ts'
import { Problem } from '../../server/problem.ts'
import type { RecordValidator } from '../validation/record.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import { ImageDimensions } from '../image/dimensions.ts'
import { detectImageType, signatureBytes, type ImageType } from '../image/signature.ts'
import { describeUnsupportedType } from '../image/unsupported-type.ts'
import type { PartSink } from './parser.ts'
import { decodeText } from './charset.ts'
import { describePart, malformedForm, parsePartHeaders, type PartHeaders } from './part-headers.ts'
import { sizeViolation, type CompiledField, type Violation } from '../validation/schema.ts'

/** Limits of an image, in bytes, and in pixels as its header declares them. */
export type ImageLimits = Pick<Config['body'], 'avatarMaxBytes' | 'avatarMaxPixels'>

/** Receives the valid fields and the image of a form, in the order in which they come, and booleans at its end. */
export interface FormEvents {
  field (field: CompiledField, value: unknown): void
  imageStart (type: ImageType): void
  imageData (data: Buffer): void
  imageEnd (): void
}

interface ImagePart {
  kind: 'image'
  headers: PartHeaders
  dimensions: ImageDimensions | undefined
}

type Part = ImagePart | { kind: 'text', field: CompiledField, headers: PartHeaders } | { kind: 'ignored' }

/**
 * Decodes and validates the parts of one form as they come, in any order. A text is converted and validated at the end
 * of its part. The type of the image is detected by its first bytes, and its content is passed on. Invalid fields
 * become errors of the validator. The methods throw a Problem for errors that end the form at once: `malformed_form`,
 * `unsupported_media_type`, `avatar_type`, `avatar_too_large`.
 */
export class FormDecoder implements PartSink {
  readonly #validator: RecordValidator
  readonly #limits: ImageLimits
  readonly #events: FormEvents
  #part: Part = { kind: 'ignored' }
  /** Position of the part in the form, starting at 1. */
  #parts = 0
  #bytes = 0
  /** The text read so far, or the first bytes of the image. */
  #partial = new ByteBuffer()

  constructor (validator: RecordValidator, limits: ImageLimits, events: FormEvents) {
    this.#validator = validator
    this.#limits = limits
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

  partEnd (): void {
    const part = this.#part
    if (part.kind === 'text') this.#textEnd(part.field, part.headers)
    else if (part.kind === 'image') this.#imageEnd(part)
    this.#part = { kind: 'ignored' }
    this.#partial = new ByteBuffer()
  }

  #matchField (headers: PartHeaders): Part {
    const { compiled } = this.#validator
    const path = parseFieldName(headers.name)
    const name = path.length === 2 && path[0] === compiled.rootKey ? path[1] : undefined
    const field = name === undefined ? undefined : compiled.fields.get(name)
    const isImage = name !== undefined && name === compiled.image?.name
    if (name === undefined || (field === undefined && !isImage)) {
      this.#validator.addUnknownField(path, headers.name)
      return { kind: 'ignored' }
    }
    // Frameworks send a hidden `0` before a checkbox. If it is ticked, its value comes second.
    const isFirst = this.#validator.markSeen(name, field?.kind === 'Boolean')
    if (!isFirst) return { kind: 'ignored' }
    return field === undefined ? { kind: 'image', headers, dimensions: undefined } : { kind: 'text', field, headers }
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

  #textEnd (field: CompiledField, { name, fileName, charset }: PartHeaders): void {
    if (fileName === 'given' || (fileName === 'empty' && this.#bytes > 0)) {
      return this.#validator.addError(field.name, { rule: 'type', message: 'must be text, not a file' })
    }
    // An untouched file input.
    if (fileName === 'empty') return
    const text = decodeText(this.#partial.bytes, charset)
    if (text === undefined) throw malformedForm(`${describePart(this.#parts, name)} is not valid UTF-8.`)
    const isSet = this.#validator.setText(field, text, true)
    // The last value of a boolean counts, so it is not final before the end of the form.
    if (isSet && field.kind !== 'Boolean') this.#events.field(field, this.#validator.values.get(field.name))
  }

  /** Must be called at the end of the form. Emits the booleans. */
  end (): void {
    for (const field of this.#validator.compiled.fields.values()) {
      const value = this.#validator.values.get(field.name)
      if (typeof value === 'boolean') this.#events.field(field, value)
    }
  }

  #imageData (part: ImagePart, data: Buffer): void {
    if (part.headers.fileName !== 'given') {
      this.#addImageError({ rule: 'type', message: 'must be a file with a file name' })
      this.#part = { kind: 'ignored' }
      return
    }
    const { avatarMaxBytes } = this.#limits
    if (this.#bytes > avatarMaxBytes) {
      throw new Problem('avatar_too_large', `The avatar has more than ${avatarMaxBytes} bytes.`)
    }
    if (part.dimensions === undefined) this.#imageHead(part, data)
    else this.#imageBody(part.dimensions, data)
  }

  /** Buffers the first bytes until the type can be detected; usually they come in one chunk. */
  #imageHead (part: ImagePart, data: Buffer): void {
    this.#partial.add(data)
    if (this.#bytes >= signatureBytes) this.#imageStart(part)
  }

  #imageStart (part: ImagePart): ImageDimensions {
    const type = detectImageType(this.#partial.bytes.subarray(0, signatureBytes))
    if (type === undefined) throw avatarType(describeUnsupportedType(this.#partial.bytes))
    const dimensions = part.dimensions = new ImageDimensions(type)
    this.#events.imageStart(type)
    const { bytes } = this.#partial
    this.#partial = new ByteBuffer()
    this.#imageBody(dimensions, bytes)
    return dimensions
  }

  #imageBody (dimensions: ImageDimensions, data: Buffer): void {
    dimensions.write(data)
    if (dimensions.state === 'fragmented') throw avatarType('The avatar consists of too many small pieces.')
    if (dimensions.state === 'raw') throw avatarType('The avatar is a raw file of a camera, not a TIFF image.')
    const { avatarMaxPixels } = this.#limits
    if (dimensions.pixels > avatarMaxPixels) {
      throw new Problem('avatar_too_large', `The avatar declares more than ${avatarMaxPixels} pixels.`)
    }
    this.#events.imageData(data)
  }

  #imageEnd (part: ImagePart): void {
    if (this.#bytes === 0) {
      // Browsers send an untouched file input as an empty part with an empty file name.
      if (part.headers.fileName === 'given') this.#addImageError({ rule: 'size', message: 'must not be empty' })
      return
    }
    const dimensions = part.dimensions ?? this.#imageStart(part)
    if (dimensions.state === 'incomplete') throw avatarType('The header of the avatar is incomplete.')
    this.#events.imageEnd()
  }

  #addImageError (violation: Violation): void {
    const { image } = this.#validator.compiled
    if (image !== undefined) this.#validator.addError(image.name, violation)
  }
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
