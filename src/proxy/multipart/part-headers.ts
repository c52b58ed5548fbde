/**
 * Reads the header block of one part of a form (RFC 7578 §4), strictly: what is unclear, doubled or not UTF-8 is
 * refused, since another parser might read it in another way.
 */
import { isUtf8 } from 'node:buffer'
import { Problem } from '../../server/problem.ts'
import { isUtf8Charset, parseParameters } from './header-params.ts'

/** What matters of it: what the part is, never what its file is called. */
export interface PartHeaders {
  name: string
  /** Whether the part has a file name at all, and whether it says anything. */
  fileName: 'none' | 'empty' | 'given'
}

/** @throws {Problem} `malformed_form`, or `unsupported_media_type` for a charset that is not UTF-8 */
export function parsePartHeaders (block: Buffer): PartHeaders {
  if (!isUtf8(block)) throw malformedForm('A part has headers that are not UTF-8.')
  const headers = parseHeaderLines(block.toString('utf8'))
  const disposition = headers.get('content-disposition')
  if (disposition === undefined) throw malformedForm('A part has no Content-Disposition header.')
  rejectTransferEncoding(headers.get('content-transfer-encoding'))
  rejectCharset(headers.get('content-type'))
  return parseDisposition(disposition)
}

/** A name may stand once; continuation lines, control characters and lines without a colon are refused. */
function parseHeaderLines (block: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of block.split('\r\n')) {
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    const match = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)$/.exec(line)
    const name = match?.[1]?.toLowerCase()
    if (name === undefined || match?.[2] === undefined) throw malformedForm('A part has a bad header line.')
    if (headers.has(name)) throw malformedForm('A part has a header twice.')
    headers.set(name, match[2])
  }
  return headers
}

function parseDisposition (text: string): PartHeaders {
  const disposition = parseParameters(text)
  const name = disposition?.parameters.get('name')
  // Some parsers lose a part whose last parameter is an empty one.
  if (disposition?.value !== 'form-data' || name === undefined || text.trimEnd().endsWith(';')) throw malformedForm('A part has a bad Content-Disposition header.')
  // RFC 7578 §4.2 forbids `filename*`, but Python's urllib3 sent it for years; the name itself is not used.
  const fileName = disposition.parameters.get('filename') ?? disposition.parameters.get('filename*')
  return { name, fileName: fileName === undefined ? 'none' : fileName === '' ? 'empty' : 'given' }
}

/** RFC 7578 §4.7 deprecates the header; an encoding that changes bytes would be stored by Procore as if it were the content. */
function rejectTransferEncoding (encoding: string | undefined): void {
  if (encoding !== undefined && !/^(7bit|8bit|binary)[ \t]*$/i.test(encoding)) throw malformedForm('A part has a Content-Transfer-Encoding that is not supported.')
}

function rejectCharset (contentType: string | undefined): void {
  if (contentType === undefined || contentType.trim() === '') return
  const parsed = parseParameters(contentType)
  if (parsed === undefined) throw malformedForm('A part has a bad Content-Type header.')
  const charset = parsed.parameters.get('charset')
  if (charset !== undefined && !isUtf8Charset(charset) && charset.toLowerCase() !== 'us-ascii') {
    throw new Problem('unsupported_media_type', 'A part has a charset that is not UTF-8.')
  }
}

/** @param detail a sentence without a word of the form's own */
export function malformedForm (detail: string): Problem {
  return new Problem('malformed_form', detail)
}
