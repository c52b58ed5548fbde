/**
 * Parses the header block of one part of a form (RFC 7578 §4) strictly: an ambiguous, duplicate or non-UTF-8 header is
 * rejected, because another parser could read it differently. Only the name and the type of a file are not used, so
 * they may have any syntax.
 */
import { isUtf8 } from 'node:buffer'
import { Problem } from '../../server/problem.ts'
import { parseCharset, type Charset } from './charset.ts'
import { parseParameters } from './header-params.ts'

/** The relevant content of a header block. The file name itself is never used. */
export interface PartHeaders {
  name: string
  /** Whether the part has a file name, and whether that is empty. */
  fileName: 'none' | 'empty' | 'given'
  /** Charset of a part without a file name. */
  charset: Charset
}

/**
 * @param number the position of the part in the form, starting at 1
 * @throws {Problem} `malformed_form`, or `unsupported_media_type` for a text in another charset
 */
export function parsePartHeaders (block: Buffer, number: number): PartHeaders {
  const hasUtf8 = isUtf8(block)
  const text = block.toString(hasUtf8 ? 'utf8' : 'latin1')
  const part = describePart(number, partNamePattern.exec(text)?.[1])
  const headers = parseHeaderLines(text, part)
  const disposition = headers.get('content-disposition')
  if (disposition === undefined) throw malformedForm(`${part} has no Content-Disposition header.`)
  const { name, fileName } = parseDisposition(disposition, part)
  // Old clients send file names in the charset of their system.
  if (!hasUtf8 && (fileName === 'none' || !/^[\x20-\x7e]*$/.test(name))) {
    throw malformedForm(`${part} has headers that are not UTF-8.`)
  }
  rejectTransferEncoding(headers.get('content-transfer-encoding'), part)
  const charset = fileName === 'none' ? parseTextCharset(headers.get('content-type'), part) : 'utf-8'
  return { name, fileName, charset }
}

/** Finds the name of a part whose headers may be invalid. */
const partNamePattern = /[;\s]name="([^"\r\n]*)"/i
/** Longest name of a part that a message repeats, in characters. */
const shownNameMaxLength = 64

/** Returns the subject of a message about a part. */
export function describePart (number: number, name?: string): string {
  return name === undefined ? `Part ${number}` : `Part ${number} (${name.slice(0, shownNameMaxLength)})`
}

// The value starts with a character that is not a space, so that the spaces before it can be matched in one way only.
// eslint-disable-next-line no-control-regex -- the pattern excludes control characters
const headerLinePattern = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*((?:[^\x00-\x20\x7f][^\x00-\x08\x0a-\x1f\x7f]*)?)$/

/** Rejects duplicate names, continuation lines, control characters and lines without a colon. */
function parseHeaderLines (block: string, part: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of block.split('\r\n')) {
    const match = headerLinePattern.exec(line)
    const name = match?.[1]?.toLowerCase()
    if (name === undefined || match?.[2] === undefined) throw malformedForm(`${part} has ${describeInvalidLine(line)}.`)
    if (headers.has(name)) throw malformedForm(`${part} has two ${name} headers.`)
    headers.set(name, match[2])
  }
  return headers
}

function describeInvalidLine (line: string): string {
  if (line.includes('\n') || line.includes('\r')) return 'a header line that does not end in CR LF'
  if (line.startsWith(' ') || line.startsWith('\t')) return 'a header that continues on a second line'
  if (!line.includes(':')) return 'a header line without a colon'
  return 'a header with an invalid name or a control character'
}

function parseDisposition (text: string, part: string): Pick<PartHeaders, 'name' | 'fileName'> {
  const disposition = parseParameters(text) ?? parseBeforeFileName(text)
  const name = disposition?.parameters.get('name')
  // Some parsers ignore a part if its last parameter is empty.
  const endsWithEmptyParameter = text.trimEnd().endsWith(';')
  if (disposition === undefined || endsWithEmptyParameter) {
    const fault = 'an empty or repeated parameter, or a value that needs quotes'
    throw malformedForm(`${part} has a Content-Disposition with ${fault}.`)
  }
  if (name === undefined) throw malformedForm(`${part} has no name in its Content-Disposition header.`)
  const fileName = findFileName(disposition.parameters)
  // Some clients send files as attachments (RFC 2183 §2.2).
  const isExpected = disposition.value === 'form-data' || (disposition.value === 'attachment' && fileName !== 'none')
  if (!isExpected) throw malformedForm(`${part} has a Content-Disposition other than form-data.`)
  return { name, fileName }
}

const fileNameStart = /;[ \t]*filename[*=]/i
const nameParameter = /[;"\s]name[*\s]*=/i

/**
 * Parses what precedes a file name with an invalid syntax, such as one with unescaped quotes. The rest must not look
 * like another name.
 */
function parseBeforeFileName (text: string): ReturnType<typeof parseParameters> {
  const { index } = fileNameStart.exec(text) ?? {}
  if (index === undefined || nameParameter.test(text.slice(index))) return undefined
  const disposition = parseParameters(text.slice(0, index))
  return disposition && { ...disposition, parameters: new Map([...disposition.parameters, ['filename', 'invalid']]) }
}

/**
 * RFC 7578 §4.2 forbids `filename*`, but Python's urllib3 sent it for years. Mail libraries split a long name into
 * `filename*0`, `filename*1` (RFC 2231 §3).
 */
function findFileName (parameters: ReadonlyMap<string, string>): PartHeaders['fileName'] {
  const values = [...parameters].filter(([name]) => name === 'filename' || name.startsWith('filename*'))
  // An extended value starts with a charset and a language, which are followed by quotes (RFC 8187 §3.2).
  const isGiven = values.some(([name, value]) => name.endsWith('*') ? !/^([^']*'[^']*')?$/.test(value) : value !== '')
  return values.length === 0 ? 'none' : isGiven ? 'given' : 'empty'
}

/**
 * Rejects encodings that change bytes, because Procore would store the encoded bytes as the content. RFC 7578 §4.7
 * deprecates the header.
 */
function rejectTransferEncoding (encoding: string | undefined, part: string): void {
  if (encoding === undefined || /^((7bit|8bit|binary)[ \t]*)?$/i.test(encoding)) return
  const shown = encoding.slice(0, shownNameMaxLength)
  throw malformedForm(`${part} has the Content-Transfer-Encoding ${shown}. Send its bytes as they are (binary).`)
}

function parseTextCharset (contentType: string | undefined, part: string): Charset {
  if (contentType === undefined || contentType.trim() === '') return 'utf-8'
  const parsed = parseParameters(contentType)
  if (parsed === undefined) throw malformedForm(`${part} has an invalid Content-Type header.`)
  const charset = parseCharset(parsed.parameters.get('charset') ?? 'utf-8')
  if (charset !== undefined) return charset
  throw new Problem('unsupported_media_type',
    `${part} has a charset other than UTF-8, US-ASCII, ISO-8859-1 and Windows-1252.`)
}

/** @param detail may name a part, but must not contain its content, which may be personal data */
export function malformedForm (detail: string): Problem {
  return new Problem('malformed_form', detail)
}
