/**
 * Parses a multipart body that is in memory. It is strict, and independent of the service's parser and encoder, so that
 * it finds errors that those two share.
 */

export interface MultipartPart {
  name: string
  filename: string | undefined
  contentType: string | undefined
  data: Buffer
}

/** @throws {SyntaxError} if the body is truncated or deviates from the syntax of RFC 7578 in any way */
export function parseMultipart (contentType: string, body: Buffer): MultipartPart[] {
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))\s*$/.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) throw new SyntaxError('The Content-Type has no boundary.')
  const delimiter = `--${boundary}`
  // latin1 decodes each byte to one character, so that string offsets are byte offsets.
  const segments = `\r\n${body.toString('latin1')}`.split(`\r\n${delimiter}`)
  const isClosed = segments.length >= 2 && segments.at(-1)?.startsWith('--') === true
  if (!isClosed) throw new SyntaxError('The closing delimiter is missing.')
  return segments.slice(1, -1).map(parsePart)
}

function parsePart (segment: string): MultipartPart {
  if (!segment.startsWith('\r\n')) throw new SyntaxError('A delimiter is followed by text.')
  const headersEnd = segment.indexOf('\r\n\r\n')
  if (headersEnd < 0) throw new SyntaxError('A part has no headers.')
  const headers = new Map<string, string>()
  for (const line of segment.slice(2, headersEnd).split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (colon < 1 || headers.has(name)) throw new SyntaxError('A part header is malformed or repeated.')
    headers.set(name, Buffer.from(line.slice(colon + 1).trim(), 'latin1').toString('utf8'))
  }
  return {
    ...parseContentDisposition(headers.get('content-disposition') ?? ''),
    contentType: headers.get('content-type'),
    data: Buffer.from(segment.slice(headersEnd + 4), 'latin1'),
  }
}

function parseContentDisposition (text: string): { name: string, filename: string | undefined } {
  const match = /^form-data; name="([^"]*)"(?:; filename="([^"]*)")?$/.exec(text)
  if (match?.[1] === undefined) throw new SyntaxError('The Content-Disposition is malformed.')
  return { name: match[1], filename: match[2] }
}
