/** A string of a few, as a schema: a plain `enum`, where a union of literals would be a long `anyOf` to every reader of the document. It knows no schema that uses it. */
import { Kind, Type, TypeRegistry, type SchemaOptions } from '@sinclair/typebox'

/** TypeBox does not check the values of a plain `enum` but by a kind of its own. */
export const stringEnumKind = 'Choice'
TypeRegistry.Set<{ enum: readonly unknown[] }>(stringEnumKind, (schema, value) => schema.enum.includes(value))

/** A schema whose type is the union of the values. */
export const stringEnum = <const T extends readonly string[]>(values: T, options: SchemaOptions = {}) =>
  Type.Unsafe<T[number]>({ [Kind]: stringEnumKind, type: 'string', enum: values, ...options })
