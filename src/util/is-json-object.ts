/** Whether a parsed JSON value is an object (RFC 8259 §4), and neither an array nor null. */
export function isJsonObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
