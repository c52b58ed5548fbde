import { Transform, type Readable, type TransformCallback } from 'node:stream'
import type { AbortReason } from '../server/abort.ts'
import { Problem } from '../server/problem.ts'
import { detectDisplayedType, signatureBytes, type DisplayedType } from './image/signature.ts'

const noBytes = Buffer.alloc(0)

/**
 * Passes the content of an image on at the pace of its reader. Holds the first bytes back until they show that it is an
 * image, and fails if the content has too many bytes.
 */
export class FileStream extends Transform {
  /** Rejects with the reason if the content is not an image or fails before that is known. */
  readonly imageType: Promise<DisplayedType>
  readonly #typeDetected = Promise.withResolvers<DisplayedType>()
  readonly #maxBytes: number
  #bytes = 0
  /** The first bytes, until the type is known. */
  #start: Buffer | undefined = noBytes

  /** @param toAbortReason returns the reason of an error of the source */
  constructor (source: Readable, maxBytes: number, toAbortReason: (error: Error) => AbortReason) {
    super()
    this.#maxBytes = maxBytes
    this.imageType = this.#typeDetected.promise
    // Without a listener, an error that nobody waits for would end the process.
    this.imageType.catch(() => {})
    this.on('error', () => {})
    this.on('close', () => source.destroy())
    source.on('error', error => this.destroy(toAbortReason(error)))
    source.pipe(this)
  }

  override _transform (chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) return callback(fileTooLargeProblem(this.#maxBytes))
    if (this.#start === undefined) return callback(null, chunk)
    this.#start = Buffer.concat([this.#start, chunk])
    if (this.#start.length < signatureBytes) return callback()
    this.#detectType(this.#start, callback)
  }

  override _flush (callback: TransformCallback): void {
    if (this.#start === undefined) callback()
    else this.#detectType(this.#start, callback)
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    this.#typeDetected.reject(error ?? new Error('the file was not read'))
    callback(error)
  }

  #detectType (start: Buffer, callback: TransformCallback): void {
    const type = detectDisplayedType(start)
    if (type === undefined) {
      return callback(new Problem('procore_bad_response', 'The file in Procore is not an image of a known type.'))
    }
    this.#start = undefined
    this.#typeDetected.resolve(type)
    callback(null, start)
  }
}

export function fileTooLargeProblem (maxBytes: number): Problem {
  return new Problem('procore_bad_response', `The file in Procore has more than ${maxBytes} bytes.`)
}
