/**
 * Turns the parts of a form into a draft of the record as they come, in any order: text is typed and judged at the end
 * of its part, the image's type is told by its first bytes and its content handed on. It decides nothing about sending.
 */
import { isUtf8 } from 'node:buffer'
import type { Config } from '../../config/index.ts'
import { textMaxBytes } from '../../endpoints/fields.ts'
import { Problem } from '../../server/problem.ts'
import type { RecordValidator } from '../validation/record.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import { ImageDimensions } from '../image/dimensions.ts'
import { detectImageType, signatureBytes, type ImageType } from '../image/signature.ts'
import type { PartSink } from './parser.ts'
import { malformedForm } from './part-headers.ts'
import { parsePartHeaders, type PartHeaders } from './part-headers.ts'
import { sizeViolation, type CompiledField } from '../validation/schema.ts'

/** In bytes, and in pixels as the header of an image declares them. */
export type ImageLimits = Pick<Config['body'], 'avatarMaxBytes' | 'avatarMaxPixels'>

/** Told of what is valid, in the order in which it came. */
export interface FormEvents {
  field (field: CompiledField, value: unknown): void
  imageStart (type: ImageType): void
  imageData (data: Buffer): void
  imageEnd (): void
}

type Part =
  | { kind: 'text', field: CompiledField, head: PartHeaders }
  | { kind: 'image', head: PartHeaders, size: ImageDimensions | undefined }
  | { kind: 'ignored' }

/**
 * Types and judges the parts of one form. Its methods throw a Problem for what ends the form at once: `malformed_form`,
 * `unsupported_media_type`, `avatar_type`, `avatar_too_large`; all else becomes a fault of the draft.
 */
export class FormDecoder implements PartSink {
  readonly #validator: RecordValidator
  readonly #limits: ImageLimits
  readonly #events: FormEvents
  #part: Part = { kind: 'ignored' }
  #bytes = 0
  /** A text as it grows, or the first bytes of the image. */
  #partial = new ByteBuffer()

  constructor (draft: RecordValidator, limits: ImageLimits, listener: FormEvents) {
    this.#validator = draft
    this.#limits = limits
    this.#events = listener
  }

  partStart (block: Buffer): void {
    const head = parsePartHeaders(block)
    this.#bytes = 0
    this.#partial = new ByteBuffer()
    this.#part = this.#matchField(head)
  }

  partData (data: Buffer): void {
    const part = this.#part
    this.#bytes += data.length
    if (part.kind === 'text') this.#textData(part.field, data)
    else if (part.kind === 'image') this.#imageData(part, data)
  }

  partEnd (): void {
    const part = this.#part
    if (part.kind === 'text') this.#textEnd(part.field, part.head)
    else if (part.kind === 'image') this.#imageEnd(part)
    this.#part = { kind: 'ignored' }
    this.#partial = new ByteBuffer()
  }

  #matchField (head: PartHeaders): Part {
    const { compiled } = this.#validator
    const path = parseFieldName(head.name)
    const name = path.length === 2 && path[0] === compiled.rootKey ? path[1] : undefined
    const field = name === undefined ? undefined : compiled.fields.get(name)
    const isImage = name !== undefined && name === compiled.image?.name
    if (name === undefined || (field === undefined && !isImage)) {
      this.#validator.addUnknownField(path, head.name)
      return { kind: 'ignored' }
    }
    if (!this.#validator.markSeen(name)) return { kind: 'ignored' }
    return field === undefined ? { kind: 'image', head, size: undefined } : { kind: 'text', field, head }
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

  #textEnd (field: CompiledField, { fileName }: PartHeaders): void {
    if (fileName === 'given' || (fileName === 'empty' && this.#bytes > 0)) return this.#validator.addError(field.name, { rule: 'type', message: 'must be text, not a file' })
    // A file input that was left alone.
    if (fileName === 'empty') return
    const { bytes } = this.#partial
    if (!isUtf8(bytes)) throw malformedForm('A field of the form is not UTF-8.')
    if (this.#validator.setText(field, bytes.toString('utf8'), true)) this.#events.field(field, this.#validator.values.get(field.name))
  }

  #imageData (part: Part & { kind: 'image' }, data: Buffer): void {
    if (part.head.fileName !== 'given') {
      this.#addImageError({ rule: 'type', message: 'must be a file with a file name' })
      this.#part = { kind: 'ignored' }
      return
    }
    const { avatarMaxBytes } = this.#limits
    if (this.#bytes > avatarMaxBytes) throw new Problem('avatar_too_large', `The avatar has more than ${avatarMaxBytes} bytes.`)
    if (part.size === undefined) this.#imageHead(part, data)
    else this.#imageBody(part.size, data)
  }

  /** The first bytes are kept until they settle the type; as a rule they all come at once. */
  #imageHead (part: Part & { kind: 'image' }, data: Buffer): void {
    this.#partial.add(data)
    if (this.#bytes >= signatureBytes) this.#imageStart(part)
  }

  #imageStart (part: Part & { kind: 'image' }): void {
    const type = detectImageType(this.#partial.bytes.subarray(0, signatureBytes))
    if (type === undefined) throw new Problem('avatar_type', 'The avatar is no png, jpeg, gif, bmp or tiff image, whatever it is called.')
    part.size = new ImageDimensions(type)
    this.#events.imageStart(type)
    const { bytes } = this.#partial
    this.#partial = new ByteBuffer()
    this.#imageBody(part.size, bytes)
  }

  #imageBody (size: ImageDimensions, data: Buffer): void {
    size.write(data)
    const { avatarMaxPixels } = this.#limits
    if (size.pixels > avatarMaxPixels) throw new Problem('avatar_too_large', `The avatar declares more than ${avatarMaxPixels} pixels.`)
    this.#events.imageData(data)
  }

  #imageEnd (part: Part & { kind: 'image' }): void {
    if (this.#bytes === 0) {
      // Browsers send a file input that was left alone as an empty part with an empty name.
      if (part.head.fileName === 'given') this.#addImageError({ rule: 'size', message: 'must not be empty' })
      return
    }
    if (part.size === undefined) this.#imageStart(part)
    this.#events.imageEnd()
  }

  #addImageError (complaint: Parameters<RecordValidator['addError']>[1]): void {
    const { image } = this.#validator.compiled
    if (image !== undefined) this.#validator.addError(image.name, complaint)
  }
}

/** The steps of a name as Rails reads it: `user[email_address]` are `user` and `email_address`; any other form is one step. */
function parseFieldName (name: string): string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])+)$/.exec(name)
  if (match?.[1] === undefined || match[2] === undefined) return [name]
  return [match[1], ...match[2].slice(1, -1).split('][')]
}
