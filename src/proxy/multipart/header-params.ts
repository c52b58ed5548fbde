/**
 * Parses header values such as `value; name=value; name="quoted"` (RFC 9110 §5.6.6) strictly. A value with another
 * syntax or with a duplicate parameter is rejected, so that no other parser can read it differently.
 */

/** A value with its parameters, without quotes and escapes. */
export interface ParsedHeader {
  /** The value in lower case. */
  value: string
  /** Values of parameters; their names are in lower case. */
  parameters: ReadonlyMap<string, string>
}

const valuePattern = /^[ \t]*([!#$%&'*+.^_`|~\w/-]+)[ \t]*/y
// Browsers put raw UTF-8 and, old ones, single backslashes between the quotes. Only an escaped quote must not end the
// string.
const strictParameter = /;[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w-]+)))?[ \t]*/y
/** Boundaries such as `----=_Part_1` are often sent without the quotes that they need. */
const looseParameter =
  /;[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w/:=?@-]+)))?[ \t]*/y

/**
 * Returns undefined for a value that is invalid or ambiguous.
 * @param allowUnquoted accepts parameter values without quotes that are not tokens
 */
export function parseParameters (text: string, allowUnquoted = false): ParsedHeader | undefined {
  valuePattern.lastIndex = 0
  const value = valuePattern.exec(text)?.[1]
  if (value === undefined) return undefined
  const parameters = new Map<string, string>()
  const parameterPattern = allowUnquoted ? looseParameter : strictParameter
  parameterPattern.lastIndex = valuePattern.lastIndex
  while (parameterPattern.lastIndex < text.length) {
    const match = parameterPattern.exec(text)
    if (match === null) return undefined
    const name = match[1]?.toLowerCase()
    // RFC 9110 §5.6.6 allows an empty parameter anywhere, but some parsers stop at one that is not the last.
    if (name === undefined && parameterPattern.lastIndex === text.length) break
    if (name === undefined || parameters.has(name)) return undefined
    parameters.set(name, match[2]?.replace(/\\(["\\])/g, '$1') ?? match[3] ?? '')
  }
  return { value: value.toLowerCase(), parameters }
}
