import type { Static, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

/** Returns parsed JSON or YAML with the type of the schema. @throws if it does not match */
export function assertSchema<T extends TSchema> (schema: T, value: unknown): Static<T> {
  Value.Assert(schema, value)
  return value
}
