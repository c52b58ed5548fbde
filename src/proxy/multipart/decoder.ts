/**
 * Turns the parts of a form into a draft of the record as they come, in any order: text is typed and judged at the end of its part,
 * the image's type is told by its first bytes and its content handed on. It decides nothing about sending.
 */
import { isUtf8 } from 'node:buffer'
import type { Config } from '../../config/index.ts'
import { textMaxBytes } from '../../endpoints/fields.ts'
import { Problem } from '../../server/problem.ts'
import type { Draft } from '../validation/record.ts'
import { Gathered } from '../body/byte-buffer.ts'
import { ImageSize } from '../image/dimensions.ts'
import { readImageType, signatureBytes, type ImageType } from '../image/signature.ts'
import type { PartSink } from './parser.ts'
import { malformed } from './malformed.ts'
import { readPartHead, type PartHead } from './part-headers.ts'
import { tooLong, type FieldShape } from '../validation/schema.ts'

/** In bytes, and in pixels as the header of an image declares them. */
export type ImageLimits = Pick<Config['body'], 'avatarMaxBytes' | 'avatarMaxPixels'>

/** Told of what is valid, in the order in which it came. */
export interface FormListener {
  field (field: FieldShape, value: unknown): void
  imageStart (type: ImageType): void
  imageData (data: Buffer): void
  imageEnd (): void
}

type Part =
  | { kind: 'text', field: FieldShape, head: PartHead }
  | { kind: 'image', head: PartHead, size: ImageSize | undefined }
  | { kind: 'ignored' }

/**
 * Types and judges the parts of one form. Its methods throw a Problem for what ends the form at once: `malformed_form`,
 * `unsupported_media_type`, `avatar_type`, `avatar_too_large`; all else becomes a fault of the draft.
 */
export class FormIn implements PartSink {
  readonly #draft: Draft
  readonly #limits: ImageLimits
  readonly #listener: FormListener
  #part: Part = { kind: 'ignored' }
  #bytes = 0
  /** A text as it grows, or the first bytes of the image. */
  #kept = new Gathered()

  constructor (draft: Draft, limits: ImageLimits, listener: FormListener) {
    this.#draft = draft
    this.#limits = limits
    this.#listener = listener
  }

  partStart (block: Buffer): void {
    const head = readPartHead(block)
    this.#bytes = 0
    this.#kept = new Gathered()
    this.#part = this.#recognize(head)
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
    this.#kept = new Gathered()
  }

  #recognize (head: PartHead): Part {
    const { shape } = this.#draft
    const path = readName(head.name)
    const name = path.length === 2 && path[0] === shape.key ? path[1] : undefined
    const field = name === undefined ? undefined : shape.fields.get(name)
    const isImage = name !== undefined && name === shape.image?.name
    if (name === undefined || (field === undefined && !isImage)) {
      this.#draft.noteUnknown(path, head.name)
      return { kind: 'ignored' }
    }
    if (!this.#draft.comesFirst(name)) return { kind: 'ignored' }
    return field === undefined ? { kind: 'image', head, size: undefined } : { kind: 'text', field, head }
  }

  #textData (field: FieldShape, data: Buffer): void {
    if (this.#bytes <= textMaxBytes) {
      this.#kept.add(data)
      return
    }
    this.#draft.complain(field.name, tooLong)
    this.#part = { kind: 'ignored' }
    this.#kept = new Gathered()
  }

  #textEnd (field: FieldShape, { fileName }: PartHead): void {
    if (fileName === 'given' || (fileName === 'empty' && this.#bytes > 0)) return this.#draft.complain(field.name, { rule: 'type', message: 'must be text, not a file' })
    // A file input that was left alone.
    if (fileName === 'empty') return
    const { bytes } = this.#kept
    if (!isUtf8(bytes)) throw malformed('A field of the form is not UTF-8.')
    if (this.#draft.putText(field, bytes.toString('utf8'), true)) this.#listener.field(field, this.#draft.values.get(field.name))
  }

  #imageData (part: Part & { kind: 'image' }, data: Buffer): void {
    if (part.head.fileName !== 'given') {
      this.#complainOfImage({ rule: 'type', message: 'must be a file with a file name' })
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
    this.#kept.add(data)
    if (this.#bytes >= signatureBytes) this.#imageStart(part)
  }

  #imageStart (part: Part & { kind: 'image' }): void {
    const type = readImageType(this.#kept.bytes.subarray(0, signatureBytes))
    if (type === undefined) throw new Problem('avatar_type', 'The avatar is no png, jpeg, gif, bmp or tiff image, whatever it is called.')
    part.size = new ImageSize(type)
    this.#listener.imageStart(type)
    const { bytes } = this.#kept
    this.#kept = new Gathered()
    this.#imageBody(part.size, bytes)
  }

  #imageBody (size: ImageSize, data: Buffer): void {
    size.write(data)
    const { avatarMaxPixels } = this.#limits
    if (size.pixels > avatarMaxPixels) throw new Problem('avatar_too_large', `The avatar declares more than ${avatarMaxPixels} pixels.`)
    this.#listener.imageData(data)
  }

  #imageEnd (part: Part & { kind: 'image' }): void {
    if (this.#bytes === 0) {
      // Browsers send a file input that was left alone as an empty part with an empty name.
      if (part.head.fileName === 'given') this.#complainOfImage({ rule: 'size', message: 'must not be empty' })
      return
    }
    if (part.size === undefined) this.#imageStart(part)
    this.#listener.imageEnd()
  }

  #complainOfImage (complaint: Parameters<Draft['complain']>[1]): void {
    const { image } = this.#draft.shape
    if (image !== undefined) this.#draft.complain(image.name, complaint)
  }
}

/** The steps of a name as Rails reads it: `user[email_address]` are `user` and `email_address`; any other form is one step. */
function readName (name: string): string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])+)$/.exec(name)
  if (match?.[1] === undefined || match[2] === undefined) return [name]
  return [match[1], ...match[2].slice(1, -1).split('][')]
}
