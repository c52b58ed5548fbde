/**
 * Defines a string schema with a plain `enum`. TypeBox's union of literals would appear in the OpenAPI document as a
 * long `anyOf`.
 */
import { Kind, Type, TypeRegistry, type SchemaOptions } from '@sinclair/typebox'

/** TypeBox validates a plain `enum` only for a registered kind. */
export const stringEnumKind = 'Choice'
TypeRegistry.Set<{ enum: readonly unknown[] }>(stringEnumKind, (schema, value) => schema.enum.includes(value))

/** Returns a schema whose static type is the union of the values. */
export const stringEnum = <const T extends readonly string[]>(values: T, options: SchemaOptions = {}) =>
  Type.Unsafe<T[number]>({ [Kind]: stringEnumKind, type: 'string', enum: values, ...options })
