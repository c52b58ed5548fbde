/** A string of a few, as a schema: a plain `enum`, where a union of literals would be a long `anyOf` to every reader of the document. */
import { Type, type SchemaOptions } from '@sinclair/typebox'

export const choice = <const T extends readonly string[]>(values: T, options: SchemaOptions = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values, ...options })
