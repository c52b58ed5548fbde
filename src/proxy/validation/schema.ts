/**
 * Compiles the description of a record (path, query or body) into what judges its fields one by one: type and constraints by
 * TypeBox, and the rules that JSON Schema has no word for. It is pure and keeps nothing of a request.
 */
import { Kind, TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { ValueErrorType } from '@sinclair/typebox/errors'
import type { FieldDependency, RecordBody, Restriction } from '../../endpoints/endpoint.ts'
import { stringEnumKind } from '../../endpoints/string-enum.ts'
import { maxId, textMaxBytes } from '../../endpoints/fields.ts'
import type { FieldError, ErrorRule } from '../../server/problem.ts'

/** One field, and what compiles its schema once. */
export interface CompiledField {
  name: string
  /** Place in the order of the schema, in which faults are told. */
  index: number
  kind: 'String' | 'Integer' | 'Boolean'
  required: boolean
  /** Whether it has several values, each of the kind; only queries have such fields. */
  isList: boolean
  /** Whether the empty text that a browser sends for an untouched input means that there is no value. */
  emptyIsAbsent: boolean
  validator: TypeCheck<TSchema>
}

/** What is wrong with a value; `message` goes on from the name of the field. */
export interface Violation {
  rule: ErrorRule
  message: string
}

/** One part of a request, compiled. */
export interface CompiledRecord {
  location: FieldError['in']
  /** Name of the record that the fields belong to, in a body. */
  rootKey: string | undefined
  fields: ReadonlyMap<string, CompiledField>
  /** Those of them that have to be there. */
  required: readonly CompiledField[]
  /** Name and place of the file that a form may carry. */
  image: { name: string, order: number } | undefined
  dependencies: readonly FieldDependency[]
  /** By field name. */
  restrictions: ReadonlyMap<string, Restriction>
}

/** Done once for each endpoint, at the start. @throws {TypeError} for a field of a kind that no text can be read as */
export function compileRecord (location: FieldError['in'], schema: TObject, body?: RecordBody): CompiledRecord {
  const fields = new Map<string, CompiledField>()
  const required = new Set(schema.required ?? [])
  for (const [name, field] of Object.entries(schema.properties)) {
    fields.set(name, compileField(name, field, fields.size, required.has(name)))
  }
  const image = body?.image === undefined ? undefined : { name: body.image.name, order: fields.size }
  return { location, rootKey: body?.rootKey, fields, required: [...fields.values()].filter(field => field.required), image, dependencies: body?.dependencies ?? [], restrictions: compileRestrictions(body) }
}

function compileRestrictions (body: RecordBody | undefined): Map<string, Restriction> {
  const restricted = body?.restricted
  return new Map(restricted === undefined || restricted.values.size === 0 ? [] : restricted.fields.map(name => [name, restricted]))
}

function compileField (name: string, schema: TSchema, index: number, required: boolean): CompiledField {
  const isList = TypeGuard.IsArray(schema)
  const one = isList ? schema.items : schema
  const kind = one[Kind] === stringEnumKind ? 'String' : one[Kind]
  if (kind !== 'String' && kind !== 'Integer' && kind !== 'Boolean') throw new TypeError(`field ${name}: no way to read a ${kind}`)
  const isCode = kind === 'String' && (one['format'] !== undefined || one['pattern'] !== undefined || one['enum'] !== undefined)
  return { name, index, kind, required, isList, emptyIsAbsent: kind !== 'String' || isCode, validator: TypeCompiler.Compile(one) }
}

/** What is wrong with a value by itself; nothing when it is valid. */
export function validateField (field: CompiledField, value: unknown): Violation | undefined {
  if (field.kind === 'String' && typeof value === 'string') {
    const complaint = validateText(field, value)
    if (complaint !== undefined) return complaint
  }
  if (field.validator.Check(value)) return undefined
  // Digits without end are read as infinity.
  if (field.kind === 'Integer' && (value === Infinity || value === -Infinity)) return formatViolation(field, value > 0 ? ValueErrorType.IntegerMaximum : ValueErrorType.IntegerMinimum)
  return formatViolation(field, field.validator.Errors(value).First()?.type)
}

function validateText ({ required }: CompiledField, value: string): Violation | undefined {
  // One UTF-16 code unit is at most three bytes of UTF-8, so most texts need not be measured.
  if (value.length * 3 > textMaxBytes && Buffer.byteLength(value) > textMaxBytes) return sizeViolation
  if (value.includes('\0')) return { rule: 'format', message: 'must not contain NUL characters' }
  return required && value.trim() === '' ? requiredViolation : undefined
}

/** Of a field that has to be there, or is blank. */
export const requiredViolation: Violation = { rule: 'required', message: 'is required' }
/** Of a text, in bytes of UTF-8. */
export const sizeViolation: Violation = { rule: 'size', message: `must have at most ${textMaxBytes} bytes` }

const typeMessage = { String: 'must be a string', Integer: 'must be an integer', Boolean: 'must be true or false' } as const

/** The fault of a value that is not of the field's type. */
export const typeViolation = (field: CompiledField): Violation => ({ rule: 'type', message: typeMessage[field.kind] })

function formatViolation (field: CompiledField, error: ValueErrorType | undefined): Violation {
  switch (error) {
    case ValueErrorType.IntegerMinimum:
      return { rule: 'size', message: `must be at least ${String(field.validator.Schema()['minimum'])}` }
    case ValueErrorType.IntegerMaximum:
      return { rule: 'size', message: `must be at most ${getMaximum(field)}` }
    case ValueErrorType.StringMaxLength:
      return sizeViolation
    case ValueErrorType.StringFormat:
    case ValueErrorType.StringPattern:
      return { rule: 'format', message: formatMessage[String(field.validator.Schema()['format'])] ?? 'does not have the right form' }
    case ValueErrorType.Kind:
      return { rule: 'format', message: `must be one of ${String(field.validator.Schema()['enum']).replaceAll(',', ', ')}` }
    default:
      return typeViolation(field)
  }
}

function getMaximum (field: CompiledField): string {
  const maximum: unknown = field.validator.Schema()['maximum']
  return maximum === maxId ? '2^53-1' : String(maximum)
}

const formatMessage: Record<string, string> = {
  email: 'must be an e-mail address',
  'iso-3166-1-alpha-2': 'must be an ISO 3166-1 alpha-2 code in upper case',
  'iso-8601-range': 'must be a date or a point in time of ISO 8601, or two with `...` between',
  'iso-3166-2-subdivision': 'must be the part after the hyphen of an ISO 3166-2 code',
}
