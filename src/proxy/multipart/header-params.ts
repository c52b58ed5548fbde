/**
 * Reads header values of the form `value; name=value; name="quoted"` (RFC 9110 §5.6.6), strictly: what is not of that
 * form, or names a parameter twice, is not read at all, so that no other parser can read something else from it.
 */

/** A value with its parameters, without quotes and escapes. */
export interface ParsedHeader {
  /** In lower case. */
  value: string
  /** By name in lower case. */
  parameters: ReadonlyMap<string, string>
}

const valuePattern = /^[ \t]*([!#$%&'*+.^_`|~\w/-]+)[ \t]*/y
// Browsers put raw UTF-8 and, in old ones, single backslashes between the quotes; only an escaped quote must not end the string.
const strictParameter = /;[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w-]+)))?[ \t]*/y
/** Boundaries are often not quoted although they should be, such as `----=_Part_1`. */
const looseParameter = /;[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w/:=?@-]+)))?[ \t]*/y

/** Nothing when the value can't be read without doubt; `isLoose` takes values without quotes that are no tokens. */
export function parseParameters (text: string, isLoose = false): ParsedHeader | undefined {
  valuePattern.lastIndex = 0
  const value = valuePattern.exec(text)?.[1]
  if (value === undefined) return undefined
  const parameters = new Map<string, string>()
  const one = isLoose ? looseParameter : strictParameter
  one.lastIndex = valuePattern.lastIndex
  while (one.lastIndex < text.length) {
    const match = one.exec(text)
    if (match === null) return undefined
    const name = match[1]?.toLowerCase()
    // RFC 9110 §5.6.6 allows an empty parameter anywhere, but some parsers stop at one that is not the last.
    if (name === undefined && one.lastIndex === text.length) break
    if (name === undefined || parameters.has(name)) return undefined
    parameters.set(name, match[2]?.replace(/\\(["\\])/g, '$1') ?? match[3] ?? '')
  }
  return { value: value.toLowerCase(), parameters }
}

/** The name that RFC 9110 §8.3.2 has for it, and the one without its hyphen that is as common. */
export function isUtf8Charset (charset: string): boolean {
  return /^utf-?8$/i.test(charset)
}
