import type { Problem } from '../../server/problem.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import { describePart, malformedForm } from './part-headers.ts'

/** Receives the parts of a form in order: each has one start, any number of chunks, one end. Throwing ends the form. */
export interface PartSink {
  /** @param headerBlock without its last line break */
  partStart (headerBlock: Buffer): void
  /** @param data a slice of the written chunk: it must be used or copied before the chunk's memory is reused */
  partData (data: Buffer): void
  partEnd (): void
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
const delimiterStart = Buffer.from('\r\n--')
/** Most matches of `delimiterStart` in a chunk that are not delimiters, before the whole delimiter is searched for. */
const partialMatchesMax = 8
const cr = 0x0d
const space = 0x20
const tab = 0x09
/** Longest white space after a delimiter (RFC 2046 §5.1.1: transport padding). */
const paddingMaxBytes = 256
/** Bytes after the last delimiter of an incomplete form among which the delimiter is still found. */
const endMaxBytes = 256
const emptyBuffer: Buffer = Buffer.alloc(0)

/** Copies a part of a chunk, so that the whole chunk does not stay in memory. */
function copyBytes (bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

type State = 'preamble' | 'data' | 'delimiter' | 'headers' | 'epilogue'

/**
 * Parses one multipart body (RFC 2046 §5.1, RFC 7578) strictly and incrementally: call `write` for each chunk, then
 * `end` once. It calls the sink in the order of the parts and does not copy their content. It buffers at most one
 * header block and the epilogue, so its memory is limited for any input. It rejects syntax that parsers treat
 * differently: lines that end in a bare LF, text after a delimiter, a form that is incomplete or continues after its
 * end. It must not be used after it or the sink has thrown.
 */
export class MultipartParser {
  readonly #delimiter: Buffer
  readonly #sink: PartSink
  readonly #limits: MultipartLimits
  #state: State = 'preamble'
  /** A possible start of a delimiter, or an incomplete header block. */
  #pending: Buffer = lineBreak
  /**
   * How many of the pending bytes are not content. A delimiter at the very start of the body needs no line break before
   * it, so a virtual one is pending there. After the headers of a part, the last line break of the headers is pending,
   * because it may also be the one before a delimiter.
   */
  #virtualBytes = lineBreak.length
  #parts = 0
  /** The size of the preamble, later of the epilogue. */
  #preambleBytes = 0
  readonly #epilogue = new ByteBuffer()
  #lastBytes = emptyBuffer

  /** @param boundary 1 to 70 characters, as in the content type */
  constructor (boundary: string, sink: PartSink, limits: MultipartLimits) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
    this.#sink = sink
    this.#limits = limits
  }

  /** @throws {Problem} `malformed_form` */
  write (chunk: Buffer): void {
    this.#keepEnd(chunk)
    let rest = chunk
    while (rest.length > 0) rest = this.#step(rest)
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
    const bytes = this.#delimiter.length + endMaxBytes
    const joined = chunk.length < bytes ? Buffer.concat([this.#lastBytes, chunk]) : chunk
    this.#lastBytes = Buffer.from(joined.subarray(-bytes))
  }

  #findMissing (state: Exclude<State, 'epilogue'>): string {
    if (state === 'delimiter') return 'its last delimiter is not followed by CR LF or two hyphens.'
    if (state === 'headers') {
      const hasHeaders = this.#pending.length > 0
      if (hasHeaders) throw this.#headersProblem(this.#pending, 'has no empty line after its headers')
      return 'its last delimiter is not followed by two hyphens.'
    }
    if (this.#lastBytes.length === 0) return 'it is empty.'
    const hyphensAndBoundary = this.#delimiter.subarray(lineBreak.length)
    const index = this.#lastBytes.lastIndexOf(hyphensAndBoundary)
    const isDelimiter = this.#lastBytes.lastIndexOf(this.#delimiter) === index - lineBreak.length
    if (index >= lineBreak.length && !isDelimiter) return 'its last delimiter does not follow CR LF.'
    return state === 'preamble'
      ? 'it does not contain the boundary of the content type after CR LF.'
      : 'its last delimiter is missing.'
  }

  /** Consumes the bytes that belong to the current state. Returns the rest. */
  #step (chunk: Buffer): Buffer {
    switch (this.#state) {
      case 'preamble':
      case 'data':
        return this.#scan(chunk)
      case 'delimiter':
        return this.#afterDelimiter(chunk)
      case 'headers':
        return this.#onHeaders(chunk)
      case 'epilogue':
        this.#countPreamble(chunk.length)
        this.#epilogue.add(chunk)
        return emptyBuffer
    }
  }

  /** Searches for the next delimiter; the bytes before it are content. */
  #scan (chunk: Buffer): Buffer {
    if (this.#pending.length > 0) return this.#scanWithPending(chunk)
    const index = this.#indexOfDelimiter(chunk)
    if (index >= 0) return this.#onDelimiter(chunk.subarray(0, index), chunk.subarray(index + this.#delimiter.length))
    const partialIndex = this.#indexOfPartialDelimiter(chunk)
    if (partialIndex === chunk.length) {
      this.#content(chunk)
    } else {
      this.#content(chunk.subarray(0, partialIndex))
      this.#pending = copyBytes(chunk.subarray(partialIndex))
    }
    return emptyBuffer
  }

  /**
   * Searches for the first bytes of the delimiter, which is several times faster than searching for all of it, because
   * Node finds short patterns by memchr. In content with many partial matches it searches for the whole delimiter
   * instead, so that it does not compare at each of them.
   */
  #indexOfDelimiter (chunk: Buffer): number {
    const delimiter = this.#delimiter
    let index = chunk.indexOf(delimiterStart)
    for (let misses = 0; index >= 0 && misses < partialMatchesMax; misses++) {
      const end = Math.min(index + delimiter.length, chunk.length)
      if (chunk.compare(delimiter, 0, delimiter.length, index, end) === 0) return index
      index = chunk.indexOf(delimiterStart, index + 1)
    }
    return index < 0 ? index : chunk.indexOf(delimiter, index)
  }

  /** Searches for a delimiter that may have started in an earlier chunk. Only the bytes around the seam are joined. */
  #scanWithPending (chunk: Buffer): Buffer {
    const pending = this.#pending
    const virtualBytes = this.#virtualBytes
    const seam = Buffer.concat([pending, chunk.subarray(0, this.#delimiter.length)])
    const index = seam.indexOf(this.#delimiter)
    if (index >= 0 && index < pending.length) {
      if (index < virtualBytes && this.#state === 'data') {
        throw malformedForm(`${describePart(this.#parts)} has no line break before the next delimiter.`)
      }
      this.#setPending(emptyBuffer, 0)
      const before = seam.subarray(virtualBytes, index)
      return this.#onDelimiter(before, chunk.subarray(index + this.#delimiter.length - pending.length))
    }
    if (chunk.length >= this.#delimiter.length) {
      this.#setPending(emptyBuffer, 0)
      this.#content(pending.subarray(virtualBytes))
      return chunk
    }
    const partialIndex = this.#indexOfPartialDelimiter(seam)
    this.#setPending(seam.subarray(partialIndex), partialIndex === 0 ? virtualBytes : 0)
    this.#content(seam.subarray(virtualBytes, partialIndex))
    return emptyBuffer
  }

  #setPending (bytes: Buffer, virtualBytes: number): void {
    this.#pending = bytes
    this.#virtualBytes = virtualBytes
  }

  /** Returns the index of the longest suffix that is a prefix of the delimiter, or the chunk's length without one. */
  #indexOfPartialDelimiter (chunk: Buffer): number {
    const from = Math.max(0, chunk.length - this.#delimiter.length + 1)
    for (let index = chunk.indexOf(cr, from); index >= 0; index = chunk.indexOf(cr, index + 1)) {
      if (this.#delimiter.compare(chunk, index, chunk.length, 0, chunk.length - index) === 0) return index
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

  /**
   * A line break starts a part, and two hyphens end the form. Anything else is rejected: the boundary would be inside
   * content.
   */
  #afterDelimiter (chunk: Buffer): Buffer {
    const next = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pending = emptyBuffer
    const padding = countPadding(next)
    if (padding > paddingMaxBytes) throw malformedForm('A delimiter is followed by too much white space.')
    if (next.length < padding + 2) {
      this.#pending = copyBytes(next)
      return emptyBuffer
    }
    if (next[padding] === cr && next[padding + 1] === 0x0a) {
      this.#startPart()
      return next.subarray(padding + 2)
    }
    if (padding > 0 || next[0] !== 0x2d || next[1] !== 0x2d) {
      throw malformedForm('A delimiter must be followed by CR LF, or by two hyphens at the end of the form.')
    }
    this.#state = 'epilogue'
    this.#preambleBytes = 0
    return next.subarray(2)
  }

  #startPart (): void {
    const { partsMax } = this.#limits
    if (++this.#parts > partsMax) throw malformedForm(`The form has more than ${partsMax} parts.`)
    this.#state = 'headers'
  }

  #onHeaders (chunk: Buffer): Buffer {
    const pending = this.#pending
    const { partHeadersMaxBytes } = this.#limits
    const block = pending.length === 0
      ? chunk
      : Buffer.concat([pending, chunk.subarray(0, partHeadersMaxBytes + headersEnd.length)])
    if (block.subarray(0, lineBreak.length).equals(lineBreak)) {
      throw malformedForm(`${describePart(this.#parts)} has no headers.`)
    }
    const index = block.indexOf(headersEnd, Math.max(0, pending.length - headersEnd.length))
    if (index > partHeadersMaxBytes || (index < 0 && block.length > partHeadersMaxBytes)) {
      throw this.#headersProblem(block, `has headers of more than ${partHeadersMaxBytes} bytes`)
    }
    if (index < 0) {
      this.#pending = pending.length === 0 ? copyBytes(block) : block
      return emptyBuffer
    }
    // A parser that reads line by line would treat a delimiter in the headers as one.
    if (Buffer.concat([lineBreak, block.subarray(0, index)]).includes(this.#delimiter)) {
      throw this.#headersProblem(block.subarray(0, index), 'has the boundary in its headers')
    }
    this.#state = 'data'
    this.#setPending(lineBreak, lineBreak.length)
    this.#sink.partStart(block.subarray(0, index))
    return chunk.subarray(index + headersEnd.length - pending.length)
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

function countPadding (bytes: Buffer): number {
  let count = 0
  while (bytes[count] === space || bytes[count] === tab) count++
  return count
}
