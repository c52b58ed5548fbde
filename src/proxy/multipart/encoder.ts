import { randomUUID } from 'node:crypto'
import type { ImageType } from '../image/signature.ts'

/**
 * Encodes the form (RFC 7578) that is sent to Procore, from validated values only: one part for each field, and the
 * image under a file name of this service. The returned buffers must be sent in the order of the calls. The closing
 * delimiter is a separate call, so that a form is complete only when the caller decides so.
 */
export class MultipartEncoder {
  /** 122 random bits: no image contains them by chance and no caller can guess them, so content is not searched. */
  readonly #boundary = `procore-bff-${randomUUID()}`
  readonly #rootKey: string

  constructor (rootKey: string) {
    this.#rootKey = rootKey
  }

  get contentType (): string {
    return `multipart/form-data; boundary=${this.#boundary}`
  }

  /** Encodes text, numbers and booleans as Rails reads them: a list has one part for each item. */
  field (name: string, value: unknown): Buffer {
    if (Array.isArray(value)) return Buffer.concat(value.map(item => this.#part(`${name}][`, item)))
    return this.#part(name, value)
  }

  #part (name: string, value: unknown): Buffer {
    return Buffer.from(`${this.#partHeaders(name)}\r\n\r\n${String(value)}\r\n`)
  }

  /** Encodes the headers of the image part, with one plain `filename` and no `filename*` (RFC 7578 §4.2). */
  imageStart (name: string, { mediaType, extension }: ImageType): Buffer {
    const fileName = `${name}.${extension}`
    return Buffer.from(`${this.#partHeaders(name)}; filename="${fileName}"\r\nContent-Type: ${mediaType}\r\n\r\n`)
  }

  imageEnd (): Buffer {
    return Buffer.from('\r\n')
  }

  close (): Buffer {
    return Buffer.from(`--${this.#boundary}--\r\n`)
  }

  #partHeaders (name: string): string {
    return `--${this.#boundary}\r\nContent-Disposition: form-data; name="${this.#rootKey}[${name}]"`
  }
}
