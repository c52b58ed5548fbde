/**
 * Reads a multipart body that is wholly in memory, strictly, with a parser of its own: the emulator must be able to disagree with
 * whoever wrote the form.
 */

export interface MultipartPart {
  name: string
  filename: string | undefined
  contentType: string | undefined
  data: Buffer
}

/** @throws {SyntaxError} when the form is cut off or anything about it is doubtful */
export function parseMultipart (contentType: string, body: Buffer): MultipartPart[] {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))\s*$/.exec(contentType)?.slice(1).find(match => match !== undefined)
  if (boundary === undefined) throw new SyntaxError('no boundary')
  const delimiter = `--${boundary}`
  // latin1 keeps every byte as one character, so positions in the text are positions in the body.
  const segments = `\r\n${body.toString('latin1')}`.split(`\r\n${delimiter}`)
  if (segments.length < 2 || !segments.at(-1)?.startsWith('--')) throw new SyntaxError('the last delimiter is missing')
  return segments.slice(1, -1).map(parsePart)
}

function parsePart (segment: string): MultipartPart {
  if (!segment.startsWith('\r\n')) throw new SyntaxError('text after a delimiter')
  const headersEnd = segment.indexOf('\r\n\r\n')
  if (headersEnd < 0) throw new SyntaxError('a part without headers')
  const headers = new Map<string, string>()
  for (const line of segment.slice(2, headersEnd).split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (colon < 1 || headers.has(name)) throw new SyntaxError('a bad part header')
    headers.set(name, Buffer.from(line.slice(colon + 1).trim(), 'latin1').toString('utf8'))
  }
  return { ...parseContentDisposition(headers.get('content-disposition') ?? ''), contentType: headers.get('content-type'), data: Buffer.from(segment.slice(headersEnd + 4), 'latin1') }
}

function parseContentDisposition (text: string): { name: string, filename: string | undefined } {
  const match = /^form-data; name="([^"]*)"(?:; filename="([^"]*)")?$/.exec(text)
  if (match?.[1] === undefined) throw new SyntaxError('a bad Content-Disposition')
  return { name: match[1], filename: match[2] }
}
