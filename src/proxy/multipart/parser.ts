import type { Problem } from '../../server/problem.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import { describePart, malformedForm } from './part-headers.ts'

/**
 * Receives the parts of a form in order: each has one start, any number of chunks, and one end, which has the last
 * bytes of its content. Throwing ends the form. Content must not be changed, and must be used or copied before the
 * memory of the written chunk is reused.
 */
export interface PartSink {
  /** @param headerBlock without its last line break */
  partStart (headerBlock: Buffer): void
  partData (data: Buffer): void
  /** @param data may be empty; a part that arrives in one chunk has no other bytes */
  partEnd (data: Buffer): void
}

/** A form that exceeds one of them is `malformed_form`. */
export interface MultipartLimits {
  partsMax: number
  partHeadersMaxBytes: number
  /** Limits the preamble and the epilogue, each. */
  preambleMaxBytes: number
}

const lineBreak = Buffer.from('\r\n')
const headersEnd = Buffer.from('\r\n\r\n')
/** The end of headers whose lines end in LF only. */
const invalidHeadersEnd = '\n\n'
const cr = 0x0d
const lf = 0x0a
const hyphen = 0x2d
const space = 0x20
const tab = 0x09
/** Longest white space after a delimiter (RFC 2046 §5.1.1: transport padding). */
const paddingMaxBytes = 256
/** Bytes after the last delimiter of an incomplete form among which the delimiter is still found. */
const endMaxBytes = 256
const emptyBuffer: Buffer = Buffer.alloc(0)

type State = 'preamble' | 'data' | 'delimiter' | 'headers' | 'epilogue'

/**
 * Parses one multipart body (RFC 2046 §5.1, RFC 7578) strictly and incrementally: call `write` for each chunk, then
 * `end` once. It calls the sink in the order of the parts and does not copy their content. It buffers at most one
 * header block and the epilogue, so its memory is limited for any input. It rejects syntax that parsers treat
 * differently: lines that end in a bare LF, text after a delimiter, a form that is incomplete or continues after its
 * end. It must not be used after it or the sink has thrown.
 */
export class MultipartParser {
  /** Its only CR is the first byte, so another match cannot start inside a partial one. */
  readonly #delimiter: Buffer
  readonly #sink: PartSink
  readonly #limits: MultipartLimits
  #state: State = 'preamble'
  /**
   * How many bytes of a delimiter the previous chunk ended with. A delimiter at the very start of the body needs no
   * line break before it, so a virtual one precedes the body.
   */
  #matchedBytes = lineBreak.length
  /**
   * How many of the next bytes are not content, although a delimiter may start with them: the virtual line break, or
   * the last line break of the headers of a part.
   */
  #virtualBytes = lineBreak.length
  /** An incomplete line after a delimiter, or an incomplete header block. */
  #pending = new ByteBuffer()
  /** How many of the pending bytes were searched for the end of the headers. */
  #searchedBytes = 0
  #parts = 0
  /** The size of the preamble, later of the epilogue. */
  #preambleBytes = 0
  readonly #epilogue = new ByteBuffer()
  /** A virtual line break, and the end of the body. Has room for twice as much as is kept, so it is rarely moved. */
  readonly #lastBytes: Buffer
  #lastLength = 0

  /** @param boundary 1 to 70 characters, as in the content type */
  constructor (boundary: string, sink: PartSink, limits: MultipartLimits) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
    this.#sink = sink
    this.#limits = limits
    this.#lastBytes = Buffer.alloc(2 * (this.#delimiter.length + endMaxBytes))
    this.#keepEnd(lineBreak)
  }

  /** @throws {Problem} `malformed_form` */
  write (chunk: Buffer): void {
    this.#keepEnd(chunk)
    const hasPending = this.#pending.length > 0
    if (hasPending) this.#pending.add(chunk)
    const bytes = hasPending ? this.#pending.bytes : chunk
    const position = this.#parse(bytes)
    if (hasPending && position > 0) this.#pending = new ByteBuffer()
    if (position < bytes.length && this.#pending.length === 0) this.#pending.add(bytes.subarray(position))
  }

  /** @throws {Problem} `malformed_form` if there was no closing delimiter */
  end (): void {
    if (this.#state !== 'epilogue') throw malformedForm(`The form is incomplete: ${this.#findMissing(this.#state)}`)
    const epilogue = this.#epilogue.bytes
    // RFC 2046 §5.1.1 ignores the epilogue, but some parsers go on reading. Content that another parser would treat as
    // a part must not be dropped silently.
    const endsLine = /^[ \t]*(\r\n|$)/.test(epilogue.toString('latin1', 0, paddingMaxBytes + lineBreak.length))
    if (epilogue.includes(this.#delimiter) || !endsLine) {
      throw malformedForm('The form has content after its closing delimiter.')
    }
  }

  /** Copies the last bytes, which `#findMissing` needs. */
  #keepEnd (chunk: Buffer): void {
    const bytes = this.#lastBytes
    const keptBytes = bytes.length / 2
    const addedBytes = Math.min(chunk.length, keptBytes)
    if (this.#lastLength + addedBytes > bytes.length) {
      bytes.copyWithin(0, this.#lastLength - keptBytes, this.#lastLength)
      this.#lastLength = keptBytes
    }
    chunk.copy(bytes, this.#lastLength, chunk.length - addedBytes)
    this.#lastLength += addedBytes
  }

  #findMissing (state: Exclude<State, 'epilogue'>): string {
    if (state === 'delimiter') return 'its last delimiter is not followed by CR LF or two hyphens.'
    if (state === 'headers') {
      const hasHeaders = this.#pending.length > 0
      if (hasHeaders) throw this.#headersProblem(this.#pending.bytes, 'has no empty line after its headers')
      return 'its last delimiter is not followed by two hyphens.'
    }
    if (this.#lastLength === lineBreak.length) return 'it is empty.'
    const keptFrom = Math.max(0, this.#lastLength - this.#lastBytes.length / 2)
    const lastBytes = this.#lastBytes.subarray(keptFrom, this.#lastLength)
    const index = lastBytes.lastIndexOf(this.#hyphensAndBoundary)
    const isDelimiter = lastBytes.lastIndexOf(this.#delimiter) === index - lineBreak.length
    if (index >= lineBreak.length && !isDelimiter) return 'its last delimiter does not follow CR LF.'
    return state === 'preamble'
      ? 'it does not contain the boundary of the content type after CR LF.'
      : 'its last delimiter is missing.'
  }

  get #hyphensAndBoundary (): Buffer {
    return this.#delimiter.subarray(lineBreak.length)
  }

  /** Returns the position of the first byte that was not consumed, because more bytes are needed. */
  #parse (bytes: Buffer): number {
    let position = 0
    while (position < bytes.length) {
      const next = this.#step(bytes, position)
      if (next === position) break
      position = next
    }
    return position
  }

  /** Consumes the bytes that belong to the current state. Returns the position of the rest. */
  #step (bytes: Buffer, start: number): number {
    switch (this.#state) {
      case 'preamble':
      case 'data':
        return this.#scan(bytes, start)
      case 'delimiter':
        return this.#afterDelimiter(bytes, start)
      case 'headers':
        return this.#onHeaders(bytes, start)
      case 'epilogue':
        this.#countPreamble(bytes.length - start)
        this.#epilogue.add(bytes.subarray(start))
        return bytes.length
    }
  }

  /**
   * Searches for the next delimiter; the bytes before it are content. A search for its first bytes alone would be
   * slightly faster in a photo, but takes 50 times as long in content full of CRs: Node searches short texts by memchr
   * only, and skips bytes (Boyer-Moore) in a search for at least 8.
   */
  #scan (bytes: Buffer, start: number): number {
    const delimiter = this.#delimiter
    const matched = this.#matchedBytes
    if (matched > 0) {
      const end = Math.min(start + delimiter.length - matched, bytes.length)
      if (delimiter.compare(bytes, start, end, matched, matched + end - start) === 0) {
        this.#matchedBytes += end - start
        if (this.#matchedBytes === delimiter.length) this.#onDelimiter(emptyBuffer)
        return end
      }
      this.#matchedBytes = 0
      this.#onContent(this.#takeContent(delimiter, 0, matched))
    }
    const isShorter = bytes.length - start < delimiter.length
    return this.#splitContent(bytes, start, isShorter ? -1 : bytes.indexOf(delimiter, start))
  }

  /** Passes on the content before the delimiter, whose index is negative if there is none. */
  #splitContent (bytes: Buffer, start: number, index: number): number {
    if (index >= 0) {
      this.#onDelimiter(this.#takeContent(bytes, start, index))
      return index + this.#delimiter.length
    }
    const partialIndex = this.#indexOfPartialDelimiter(bytes, start)
    this.#onContent(this.#takeContent(bytes, start, partialIndex))
    this.#matchedBytes = bytes.length - partialIndex
    return bytes.length
  }

  /** Returns the index of a suffix that is a prefix of the delimiter, or the length of the bytes if there is none. */
  #indexOfPartialDelimiter (bytes: Buffer, start: number): number {
    const from = Math.max(start, bytes.length - this.#delimiter.length + 1)
    if (bytes.indexOf(cr, from) < 0) return bytes.length
    const index = bytes.lastIndexOf(cr)
    const isPartial = this.#delimiter.compare(bytes, index, bytes.length, 0, bytes.length - index) === 0
    return isPartial ? index : bytes.length
  }

  /** Returns the bytes without the virtual ones. */
  #takeContent (bytes: Buffer, start: number, end: number): Buffer {
    const from = Math.min(start + this.#virtualBytes, end)
    this.#virtualBytes -= from - start
    if (from === end) return emptyBuffer
    return end - from === bytes.length ? bytes : bytes.subarray(from, end)
  }

  #onContent (content: Buffer): void {
    if (content.length === 0) return
    if (this.#state === 'preamble') this.#countPreamble(content.length)
    else this.#sink.partData(content)
  }

  #onDelimiter (content: Buffer): void {
    if (this.#state === 'preamble') {
      this.#countPreamble(content.length)
    } else if (this.#virtualBytes > 0) {
      throw malformedForm(`${describePart(this.#parts)} has no line break before the next delimiter.`)
    } else {
      this.#sink.partEnd(content)
    }
    this.#state = 'delimiter'
    this.#matchedBytes = 0
    this.#virtualBytes = 0
  }

  /**
   * A line break starts a part, and two hyphens end the form. Anything else is rejected: the boundary would be inside
   * content.
   */
  #afterDelimiter (bytes: Buffer, start: number): number {
    let end = start
    while (bytes[end] === space || bytes[end] === tab) end++
    if (end - start > paddingMaxBytes) throw malformedForm('A delimiter is followed by too much white space.')
    if (bytes.length < end + 2) return start
    if (bytes[end] === cr && bytes[end + 1] === lf) {
      this.#startPart()
    } else if (end === start && bytes[end] === hyphen && bytes[end + 1] === hyphen) {
      this.#state = 'epilogue'
      this.#preambleBytes = 0
    } else {
      throw malformedForm('A delimiter must be followed by CR LF, or by two hyphens at the end of the form.')
    }
    return end + 2
  }

  #startPart (): void {
    const { partsMax } = this.#limits
    if (++this.#parts > partsMax) throw malformedForm(`The form has more than ${partsMax} parts.`)
    this.#state = 'headers'
    this.#searchedBytes = 0
  }

  #onHeaders (bytes: Buffer, start: number): number {
    const { partHeadersMaxBytes } = this.#limits
    if (bytes[start] === cr && bytes[start + 1] === lf) {
      throw malformedForm(`${describePart(this.#parts)} has no headers.`)
    }
    const index = bytes.indexOf(headersEnd, start + Math.max(0, this.#searchedBytes - headersEnd.length + 1))
    const end = index < 0 ? bytes.length : index
    if (end - start > partHeadersMaxBytes) {
      const fault = `has headers of more than ${partHeadersMaxBytes} bytes`
      throw this.#headersProblem(bytes.subarray(start, end), fault)
    }
    if (index < 0) {
      this.#searchedBytes = end - start
      return start
    }
    const block = bytes.subarray(start, end)
    const delimiterIndex = bytes.indexOf(this.#delimiter, start)
    // A parser that reads line by line would treat a delimiter in the headers as one.
    if ((delimiterIndex >= 0 && delimiterIndex < end) || this.#startsWithBoundary(block)) {
      throw this.#headersProblem(block, 'has the boundary in its headers')
    }
    this.#state = 'data'
    this.#virtualBytes = lineBreak.length
    this.#sink.partStart(block)
    return this.#splitContent(bytes, end + headersEnd.length - lineBreak.length, delimiterIndex)
  }

  #startsWithBoundary (block: Buffer): boolean {
    if (block[0] !== hyphen) return false
    const hyphensAndBoundary = this.#hyphensAndBoundary
    return block.subarray(0, hyphensAndBoundary.length).equals(hyphensAndBoundary)
  }

  /** Headers whose lines end in LF seem not to end, and other faults follow from that. */
  #headersProblem (block: Buffer, fault: string): Problem {
    const reason = block.includes(invalidHeadersEnd) ? 'has header lines that end in LF instead of CR LF' : fault
    return malformedForm(`${describePart(this.#parts)} ${reason}.`)
  }

  #countPreamble (bytes: number): void {
    const { preambleMaxBytes } = this.#limits
    this.#preambleBytes += bytes
    if (this.#preambleBytes <= preambleMaxBytes) return
    throw malformedForm(this.#state === 'preamble'
      ? `The boundary of the content type is not in the first ${preambleMaxBytes} bytes of the form, after CR LF.`
      : `The form has more than ${preambleMaxBytes} bytes after its last delimiter.`)
  }
}
