/** Parses a JSON text (RFC 8259). Returns undefined if it is not JSON. */
export function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
