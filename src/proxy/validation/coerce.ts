/** Turns the text of a form field, a query or a path parameter into the type that the description gives it. */
import type { CompiledField } from './schema.ts'

/** Stands for a text that is not of the type. */
export const invalidText = Symbol('unreadable')

/** Integers are decimal digits, booleans `true`, `false`, `1` or `0`, as Rails reads them; whether the value is in range is not judged here. */
export function coerceText ({ kind }: CompiledField, text: string): string | number | boolean | typeof invalidText {
  if (kind === 'String') return text
  if (kind === 'Integer') return /^\d+$/.test(text) ? Number(text) : invalidText
  if (text === 'true' || text === '1') return true
  return text === 'false' || text === '0' ? false : invalidText
}
