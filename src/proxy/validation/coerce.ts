import type { CompiledField } from './schema.ts'

/** Returned for a text that is not of the field's type. */
export const invalidText = Symbol('invalid text')

/**
 * Converts the text of a form field, query parameter or path parameter to the type of its field. Integers are decimal
 * digits; booleans are `true`, `false`, `1` or `0`, as in Rails. It does not check the range of a value.
 */
export function coerceText ({ kind }: CompiledField, text: string): string | number | boolean | typeof invalidText {
  if (kind === 'String') return text
  if (kind === 'Integer') return /^\d+$/.test(text) ? Number(text) : invalidText
  if (text === 'true' || text === '1') return true
  return text === 'false' || text === '0' ? false : invalidText
}
