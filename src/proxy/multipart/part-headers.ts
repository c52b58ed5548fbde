/**
 * Parses the header block of one part of a form (RFC 7578 §4) strictly: an ambiguous, duplicate or non-UTF-8 header is
 * rejected, because another parser could read it differently.
 */
import { isUtf8 } from 'node:buffer'
import { Problem } from '../../server/problem.ts'
import { isUtf8Charset, parseParameters } from './header-params.ts'

/** The relevant content of a header block. The file name itself is never used. */
export interface PartHeaders {
  name: string
  /** Whether the part has a file name, and whether that is empty. */
  fileName: 'none' | 'empty' | 'given'
}

/** @throws {Problem} `malformed_form`, or `unsupported_media_type` for a charset other than UTF-8 */
export function parsePartHeaders (block: Buffer): PartHeaders {
  if (!isUtf8(block)) throw malformedForm('A part has headers that are not UTF-8.')
  const headers = parseHeaderLines(block.toString('utf8'))
  const disposition = headers.get('content-disposition')
  if (disposition === undefined) throw malformedForm('A part has no Content-Disposition header.')
  rejectTransferEncoding(headers.get('content-transfer-encoding'))
  rejectCharset(headers.get('content-type'))
  return parseDisposition(disposition)
}

// The value starts with a character that is not a space, so that the spaces before it can be matched in one way only.
// eslint-disable-next-line no-control-regex -- the pattern excludes control characters
const headerLinePattern = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*((?:[^\x00-\x20\x7f][^\x00-\x08\x0a-\x1f\x7f]*)?)$/

/** Rejects duplicate names, continuation lines, control characters and lines without a colon. */
function parseHeaderLines (block: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of block.split('\r\n')) {
    const match = headerLinePattern.exec(line)
    const name = match?.[1]?.toLowerCase()
    if (name === undefined || match?.[2] === undefined) throw malformedForm('A part has an invalid header line.')
    if (headers.has(name)) throw malformedForm('A part has a duplicate header.')
    headers.set(name, match[2])
  }
  return headers
}

function parseDisposition (text: string): PartHeaders {
  const disposition = parseParameters(text)
  const name = disposition?.parameters.get('name')
  // Some parsers ignore a part if its last parameter is empty.
  const endsWithEmptyParameter = text.trimEnd().endsWith(';')
  if (disposition?.value !== 'form-data' || name === undefined || endsWithEmptyParameter) {
    throw malformedForm('A part has an invalid Content-Disposition header.')
  }
  // RFC 7578 §4.2 forbids `filename*`, but Python's urllib3 sent it for years; the name itself is not used.
  const fileName = disposition.parameters.get('filename') ?? disposition.parameters.get('filename*')
  return { name, fileName: fileName === undefined ? 'none' : fileName === '' ? 'empty' : 'given' }
}

/**
 * Rejects encodings that change bytes, because Procore would store the encoded bytes as the content. RFC 7578 §4.7
 * deprecates the header.
 */
function rejectTransferEncoding (encoding: string | undefined): void {
  if (encoding !== undefined && !/^(7bit|8bit|binary)[ \t]*$/i.test(encoding)) {
    throw malformedForm('A part has a Content-Transfer-Encoding that is not supported.')
  }
}

function rejectCharset (contentType: string | undefined): void {
  if (contentType === undefined || contentType.trim() === '') return
  const parsed = parseParameters(contentType)
  if (parsed === undefined) throw malformedForm('A part has an invalid Content-Type header.')
  const charset = parsed.parameters.get('charset')
  if (charset !== undefined && !isUtf8Charset(charset) && charset.toLowerCase() !== 'us-ascii') {
    throw new Problem('unsupported_media_type', 'A part has a charset other than UTF-8.')
  }
}

/** @param detail must not contain any content of the form, which may be personal data */
export function malformedForm (detail: string): Problem {
  return new Problem('malformed_form', detail)
}
