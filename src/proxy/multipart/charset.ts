/** Decodes texts by their charset. Clients in Java and .NET label the texts of a form with their platform's charset. */
import { isUtf8 } from 'node:buffer'

export type Charset = 'utf-8' | 'iso-8859-1' | 'windows-1252'

/** Names of RFC 9110 §8.3.2, and aliases that Java, Python and the C library use. ASCII is a subset of UTF-8. */
const charsets: ReadonlyMap<string, Charset> = new Map([
  ['utf-8', 'utf-8'],
  ['utf8', 'utf-8'],
  ['us-ascii', 'utf-8'],
  ['ascii', 'utf-8'],
  ['ansi_x3.4-1968', 'utf-8'],
  ['iso-8859-1', 'iso-8859-1'],
  ['iso8859-1', 'iso-8859-1'],
  ['iso8859_1', 'iso-8859-1'],
  ['iso_8859-1', 'iso-8859-1'],
  ['latin1', 'iso-8859-1'],
  ['windows-1252', 'windows-1252'],
  ['cp1252', 'windows-1252'],
])

/** Returns undefined for a charset that is not supported. */
export function parseCharset (name: string): Charset | undefined {
  return charsets.get(name.toLowerCase())
}

/** Returns undefined for bytes that are not valid UTF-8. Every byte is valid in the other charsets. */
export function decodeText (bytes: Buffer, charset: Charset): string | undefined {
  if (charset === 'iso-8859-1') return bytes.toString('latin1')
  if (charset === 'windows-1252') return new TextDecoder(charset).decode(bytes)
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}
