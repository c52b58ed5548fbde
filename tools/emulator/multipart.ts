/**
 * Reads a multipart body that is wholly in memory, strictly, with a parser of its own: the emulator must be able to disagree with
 * whoever wrote the form.
 */

export interface Part {
  name: string
  filename: string | undefined
  contentType: string | undefined
  data: Buffer
}

/** @throws {SyntaxError} when the form is cut off or anything about it is doubtful */
export function parseForm (contentType: string, body: Buffer): Part[] {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))\s*$/.exec(contentType)?.slice(1).find(match => match !== undefined)
  if (boundary === undefined) throw new SyntaxError('no boundary')
  const delimiter = `--${boundary}`
  // latin1 keeps every byte as one character, so positions in the text are positions in the body.
  const pieces = `\r\n${body.toString('latin1')}`.split(`\r\n${delimiter}`)
  if (pieces.length < 2 || !pieces.at(-1)?.startsWith('--')) throw new SyntaxError('the last delimiter is missing')
  return pieces.slice(1, -1).map(parsePart)
}

function parsePart (piece: string): Part {
  if (!piece.startsWith('\r\n')) throw new SyntaxError('text after a delimiter')
  const end = piece.indexOf('\r\n\r\n')
  if (end < 0) throw new SyntaxError('a part without headers')
  const headers = new Map<string, string>()
  for (const line of piece.slice(2, end).split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (colon < 1 || headers.has(name)) throw new SyntaxError('a bad part header')
    headers.set(name, Buffer.from(line.slice(colon + 1).trim(), 'latin1').toString('utf8'))
  }
  return { ...parseDisposition(headers.get('content-disposition') ?? ''), contentType: headers.get('content-type'), data: Buffer.from(piece.slice(end + 4), 'latin1') }
}

function parseDisposition (text: string): { name: string, filename: string | undefined } {
  const match = /^form-data; name="([^"]*)"(?:; filename="([^"]*)")?$/.exec(text)
  if (match?.[1] === undefined) throw new SyntaxError('a bad Content-Disposition')
  return { name: match[1], filename: match[2] }
}
