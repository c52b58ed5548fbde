/**
 * Adds patterns to the texts of a documented record, so that its schema refuses what the validation of texts refuses:
 * NUL characters, and a required text that is blank. Only its limit of bytes cannot be expressed in JSON Schema.
 */
import { Type, TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { linePattern } from './fields.ts'

const patterns = {
  line: { optional: '^[^\\r\\n\\x00]*$', required: '^[^\\S\\r\\n]*[^\\s\\x00][^\\r\\n\\x00]*$' },
  text: { optional: '^[^\\x00]*$', required: '^\\s*[^\\s\\x00][^\\x00]*$' },
} as const

export function addTextPatterns ({ properties, required = [] }: TObject): TObject {
  const documented = Object.entries(properties).map(([name, field]) => {
    const presence = required.includes(name) ? 'required' : 'optional'
    if (!TypeGuard.IsArray(field)) return [name, addPattern(field, presence)] as const
    return [name, { ...field, items: addPattern(field.items, presence) }] as const
  })
  return Type.Object(Object.fromEntries(documented))
}

/** A text with another pattern or a format has no NUL characters and is not blank. */
function addPattern (field: TSchema, presence: 'required' | 'optional'): TSchema {
  if (!TypeGuard.IsString(field) || field.format !== undefined) return field
  if (field.pattern !== undefined && field.pattern !== linePattern) return field
  return { ...field, pattern: patterns[field.pattern === undefined ? 'text' : 'line'][presence] }
}
