/** What a JSON text that should hold an object turned out to hold. */

/** Whether it is an object of JSON's (RFC 8259 §4): no array, and not null. */
export function isJsonObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
