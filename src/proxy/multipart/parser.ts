/**
 * A strict, incremental parser of multipart bodies (RFC 2046 §5.1, RFC 7578): bytes are pushed in as they come and
 * parts come out by calls to a sink, in order and without copying. It holds at most one header block and what follows
 * the last delimiter, so its memory is bounded whatever is sent, and it refuses what parsers disagree about: lines that
 * end in a bare LF, text after a delimiter, a form that is cut off or goes on after its end. It knows nothing of
 * fields; the sink may throw, and the parser must not be used after it or the sink threw.
 */
import { ByteBuffer } from '../body/byte-buffer.ts'
import { malformedForm } from './part-headers.ts'

/** Told of the parts in their order: each has one start, any number of data, and one end. It may throw, which ends the form. */
export interface PartSink {
  /** The header block without its last line break. */
  partStart (head: Buffer): void
  /** A slice of the chunk that was written: to be used or copied before the caller reuses it. */
  partData (data: Buffer): void
  partEnd (): void
}

/** Past any of them the form is `malformed_form`. */
export interface MultipartLimits {
  partsMax: number
  partHeadersMaxBytes: number
  /** Before the first and after the last delimiter, each. */
  preambleMaxBytes: number
}

const lineBreak = Buffer.from('\r\n')
const headersEnd = Buffer.from('\r\n\r\n')
const delimiterStart = Buffer.from('\r\n--')
/** Beginnings in one chunk that are no delimiter. */
const partialMatchesMax = 8
const cr = 0x0d
/** How much of the epilogue has to show the end of the last delimiter's line. */
const epiloguePrefixBytes = 256
const emptyBuffer = Buffer.alloc(0)

type State = 'preamble' | 'data' | 'delimiter' | 'head' | 'epilogue'

/** One form: `write` it chunk by chunk, then `end` it once. */
export class MultipartParser {
  readonly #delimiter: Buffer
  readonly #sink: PartSink
  readonly #limits: MultipartLimits
  #state: State = 'preamble'
  /** What may be the beginning of a delimiter, or a header block that is not complete. */
  #pending: Buffer = lineBreak
  /**
   * How many bytes of what is held never came or are spent: a delimiter at the very beginning of the body needs no line
   * break before it, so one is held there, and one is held after the headers of a part, where its own would be the
   * headers' last.
   */
  #virtualBytes = lineBreak.length
  #parts = 0
  #preambleBytes = 0
  readonly #epilogue = new ByteBuffer()

  /** @param boundary 1 to 70 characters, as in the content type */
  constructor (boundary: string, sink: PartSink, limits: MultipartLimits) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
    this.#sink = sink
    this.#limits = limits
  }

  /** @throws {Problem} `malformed_form` */
  write (chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) rest = this.#step(rest)
  }

  /** @throws {Problem} `malformed_form` when the last delimiter has not come */
  end (): void {
    if (this.#state !== 'epilogue') throw malformedForm('The form is cut off: its last delimiter is missing.')
    const epilogue = this.#epilogue.bytes
    // RFC 2046 §5.1.1 has it ignored, but some parsers read on: what another would take for a part must not be lost without a word.
    if (epilogue.includes(this.#delimiter) || !/^[ \t]*(\r\n|$)/.test(epilogue.toString('latin1', 0, epiloguePrefixBytes))) throw malformedForm('Something follows the last delimiter of the form.')
  }

  /** Takes what belongs to the current state and returns what follows it. */
  #step (chunk: Buffer): Buffer {
    switch (this.#state) {
      case 'preamble':
      case 'data':
        return this.#scan(chunk)
      case 'delimiter':
        return this.#afterDelimiter(chunk)
      case 'head':
        return this.#onHeaders(chunk)
      case 'epilogue':
        this.#countPreamble(chunk.length)
        this.#epilogue.add(chunk)
        return emptyBuffer
    }
  }

  /** Looks for the next delimiter; all before it is content. */
  #scan (chunk: Buffer): Buffer {
    if (this.#pending.length > 0) return this.#scanWithPending(chunk)
    const at = this.#delimiterAt(chunk)
    if (at >= 0) return this.#onDelimiter(chunk.subarray(0, at), chunk.subarray(at + this.#delimiter.length))
    const tail = this.#partialAt(chunk)
    if (tail === chunk.length) {
      this.#content(chunk)
    } else {
      this.#content(chunk.subarray(0, tail))
      this.#pending = chunk.subarray(tail)
    }
    return emptyBuffer
  }

  /**
   * Where the first delimiter begins. Its first bytes alone are found several times faster than all of it, since Node
   * looks for a short pattern by memchr; a content that is full of them is searched for the whole, so that it does not
   * cost a call for each.
   */
  #delimiterAt (chunk: Buffer): number {
    const delimiter = this.#delimiter
    let at = chunk.indexOf(delimiterStart)
    for (let misses = 0; at >= 0 && misses < partialMatchesMax; misses++) {
      if (chunk.compare(delimiter, 0, delimiter.length, at, Math.min(at + delimiter.length, chunk.length)) === 0) return at
      at = chunk.indexOf(delimiterStart, at + 1)
    }
    return at < 0 ? at : chunk.indexOf(delimiter, at)
  }

  /** A delimiter may have begun at the end of the last chunk: only the bytes around the seam are joined. */
  #scanWithPending (chunk: Buffer): Buffer {
    const held = this.#pending
    const spent = this.#virtualBytes
    const seam = Buffer.concat([held, chunk.subarray(0, this.#delimiter.length)])
    const at = seam.indexOf(this.#delimiter)
    if (at >= 0 && at < held.length) {
      if (at < spent && this.#state === 'data') throw malformedForm('A part has no line break between its headers and the next delimiter.')
      this.#keepPending(emptyBuffer, 0)
      return this.#onDelimiter(seam.subarray(spent, at), chunk.subarray(at + this.#delimiter.length - held.length))
    }
    if (chunk.length >= this.#delimiter.length) {
      this.#keepPending(emptyBuffer, 0)
      this.#content(held.subarray(spent))
      return chunk
    }
    const tail = this.#partialAt(seam)
    this.#keepPending(seam.subarray(tail), tail === 0 ? spent : 0)
    this.#content(seam.subarray(spent, tail))
    return emptyBuffer
  }

  #keepPending (bytes: Buffer, spent: number): void {
    this.#pending = bytes
    this.#virtualBytes = spent
  }

  /** Where the longest end of a chunk begins that is the beginning of a delimiter; its length when there is none. */
  #partialAt (chunk: Buffer): number {
    const from = Math.max(0, chunk.length - this.#delimiter.length + 1)
    for (let at = chunk.indexOf(cr, from); at >= 0; at = chunk.indexOf(cr, at + 1)) {
      if (this.#delimiter.compare(chunk, at, chunk.length, 0, chunk.length - at) === 0) return at
    }
    return chunk.length
  }

  #content (data: Buffer): void {
    if (data.length === 0) return
    if (this.#state === 'preamble') this.#countPreamble(data.length)
    else this.#sink.partData(data)
  }

  #onDelimiter (before: Buffer, after: Buffer): Buffer {
    this.#content(before)
    if (this.#state === 'data') this.#sink.partEnd()
    this.#state = 'delimiter'
    return after
  }

  /** A line break opens a part, two hyphens end the form; anything else would let the boundary stand inside a content. */
  #afterDelimiter (chunk: Buffer): Buffer {
    const next = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    if (next.length < 2) {
      this.#pending = next
      return emptyBuffer
    }
    this.#pending = emptyBuffer
    if (next[0] === 0x2d && next[1] === 0x2d) {
      this.#state = 'epilogue'
      this.#preambleBytes = 0
    } else if (next[0] === cr && next[1] === 0x0a) {
      if (++this.#parts > this.#limits.partsMax) throw malformedForm(`The form has more than ${this.#limits.partsMax} parts.`)
      this.#state = 'head'
    } else {
      throw malformedForm('The boundary is followed by something else than a line break.')
    }
    return next.subarray(2)
  }

  #onHeaders (chunk: Buffer): Buffer {
    const seen = this.#pending
    const block = seen.length === 0 ? chunk : Buffer.concat([seen, chunk.subarray(0, this.#limits.partHeadersMaxBytes + headersEnd.length)])
    const at = block.indexOf(headersEnd, Math.max(0, seen.length - headersEnd.length))
    if (at > this.#limits.partHeadersMaxBytes || (at < 0 && block.length > this.#limits.partHeadersMaxBytes)) throw malformedForm('The headers of a part are too large.')
    if (at < 0) {
      this.#pending = block
      return emptyBuffer
    }
    // A delimiter among the headers would be one to a parser that looks for lines.
    if (Buffer.concat([lineBreak, block.subarray(0, at)]).includes(this.#delimiter)) throw malformedForm('A part has the boundary among its headers.')
    this.#state = 'data'
    this.#keepPending(lineBreak, lineBreak.length)
    this.#sink.partStart(block.subarray(0, at))
    return chunk.subarray(at + headersEnd.length - seen.length)
  }

  #countPreamble (bytes: number): void {
    this.#preambleBytes += bytes
    if (this.#preambleBytes > this.#limits.preambleMaxBytes) throw malformedForm('There is too much before the first or after the last part of the form.')
  }
}
