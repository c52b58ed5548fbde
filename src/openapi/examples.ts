/** Builds examples of bodies from the examples of their fields. */
import { TypeGuard, type TSchema } from '@sinclair/typebox'
import type { RecordDescription } from '../endpoints/endpoint.ts'

/** An example with all fields of a record would hide which of them are needed. */
const exampleFieldsMax = 6

/**
 * Returns the values of all required fields, and of the first optional ones up to the maximum. Optional fields that
 * need a scope of their own are left out.
 */
export function buildRecordExample ({ fields, restrictions = [] }: RecordDescription): Record<string, unknown> {
  const restricted = restrictions.flatMap(({ kind, fields }) => kind === 'operation' ? fields : [])
  const isRequired = (name: string) => fields.required?.includes(name) === true
  const names = Object.keys(fields.properties).filter(name => isRequired(name) || !restricted.includes(name))
  const optionalMax = Math.max(exampleFieldsMax - names.filter(isRequired).length, 0)
  const excluded = names.filter(name => !isRequired(name)).slice(optionalMax)
  const shown = names.filter(name => !excluded.includes(name))
  return Object.fromEntries(shown.map(name => [name, buildExample(fields.properties[name])]))
}

/** Returns the example of the schema, or one that is built from the examples of its parts. */
export function buildExample (schema: TSchema | undefined): unknown {
  if (Array.isArray(schema?.['examples'])) return schema['examples'][0]
  if (TypeGuard.IsLiteral(schema)) return schema.const
  if (TypeGuard.IsUnion(schema)) return buildExample(schema.anyOf[0])
  if (TypeGuard.IsArray(schema)) return [buildExample(schema.items)]
  if (TypeGuard.IsObject(schema)) {
    const members = Object.entries(schema.properties).map(([name, member]) => [name, buildExample(member)] as const)
    return Object.fromEntries(members)
  }
  if (TypeGuard.IsRecord(schema)) return {}
  if (Array.isArray(schema?.['enum'])) return schema['enum'][0]
  if (TypeGuard.IsInteger(schema) || TypeGuard.IsNumber(schema)) {
    const { minimum = -Infinity, maximum = Infinity } = schema
    return Math.max(minimum, Math.min(1, maximum))
  }
  if (TypeGuard.IsBoolean(schema)) return true
  return TypeGuard.IsString(schema) ? 'text' : null
}
