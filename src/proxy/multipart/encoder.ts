/**
 * Writes the form that goes to Procore, from validated values only: one part a field, the image under a name of ours,
 * and the closing delimiter as a piece of its own, so that a form is complete only when somebody decides that it is.
 */
import { randomBytes } from 'node:crypto'
import type { ImageType } from '../image/signature.ts'

/** One form (RFC 7578). What it returns goes out in the order of the calls; without `close` it is never complete. */
export class MultipartEncoder {
  /** 128 random bits: that an image holds them by chance, or a caller guesses them, need not be looked for. */
  readonly #boundary = `procore-bff-${randomBytes(16).toString('hex')}`
  readonly #rootKey: string

  constructor (key: string) {
    this.#rootKey = key
  }

  get contentType (): string {
    return `multipart/form-data; boundary=${this.#boundary}`
  }

  /** Text, integers and booleans as Rails reads them. */
  field (name: string, value: unknown): Buffer {
    return Buffer.from(`${this.#partHeaders(name)}\r\n\r\n${String(value)}\r\n`)
  }

  /** What stands before the bytes of the image. One plain `filename` and no `filename*` (RFC 7578 §4.2). */
  imageStart (name: string, { mediaType, extension }: ImageType): Buffer {
    return Buffer.from(`${this.#partHeaders(name)}; filename="${name}.${extension}"\r\nContent-Type: ${mediaType}\r\n\r\n`)
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
