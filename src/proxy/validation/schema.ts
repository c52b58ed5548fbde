/**
 * Compiles the description of a record (path, query or body) into validators of its fields. TypeBox validates types and
 * constraints; the code here validates what JSON Schema cannot express.
 */
import { Kind, TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { ValueErrorType } from '@sinclair/typebox/errors'
import type { FieldDependency, RecordBody, Restriction } from '../../endpoints/endpoint.ts'
import { stringEnumKind } from '../../endpoints/string-enum.ts'
import { maxId, textMaxBytes } from '../../endpoints/fields.ts'
import type { FieldError, ErrorRule } from '../../server/problem.ts'

/** One field with its compiled schema. */
export interface CompiledField {
  name: string
  /** Position in the schema; errors are reported in this order. */
  index: number
  kind: 'String' | 'Integer' | 'Boolean'
  required: boolean
  /** Whether the field has several values of its kind; only queries have such fields. */
  isList: boolean
  /** Whether an empty text, which a browser sends for an untouched input, means that there is no value. */
  emptyIsAbsent: boolean
  validator: TypeCheck<TSchema>
}

/** A rule that a value breaks. `message` continues a sentence that starts with the name of the field. */
export interface Violation {
  rule: ErrorRule
  message: string
}

/** The compiled description of one part of a request. */
export interface CompiledRecord {
  location: FieldError['in']
  /** The name of the record in a body; undefined for path and query. */
  rootKey: string | undefined
  fields: ReadonlyMap<string, CompiledField>
  required: readonly CompiledField[]
  /** The file that a form may contain, and its position among the fields. */
  image: { name: string, order: number } | undefined
  dependencies: readonly FieldDependency[]
  /** Restrictions, keyed by field name. */
  restrictions: ReadonlyMap<string, Restriction>
}

/**
 * Compiles a record, once for each endpoint at startup.
 * @throws {TypeError} for a field of a kind that cannot be converted from text
 */
export function compileRecord (location: FieldError['in'], schema: TObject, body?: RecordBody): CompiledRecord {
  const fields = new Map<string, CompiledField>()
  const required = new Set(schema.required ?? [])
  for (const [name, field] of Object.entries(schema.properties)) {
    fields.set(name, compileField(name, field, fields.size, required.has(name)))
  }
  return {
    location,
    rootKey: body?.rootKey,
    fields,
    required: [...fields.values()].filter(field => field.required),
    image: body?.image === undefined ? undefined : { name: body.image.name, order: fields.size },
    dependencies: body?.dependencies ?? [],
    restrictions: compileRestrictions(body),
  }
}

function compileRestrictions (body: RecordBody | undefined): Map<string, Restriction> {
  const restrictions = body?.restrictions ?? []
  const active = restrictions.filter(entry => entry.kind === 'operation' || entry.values.size > 0)
  return new Map(active.flatMap(restriction => restriction.fields.map(name => [name, restriction] as const)))
}

function compileField (name: string, schema: TSchema, index: number, required: boolean): CompiledField {
  const isList = TypeGuard.IsArray(schema)
  const itemSchema = isList ? schema.items : schema
  const kind = itemSchema[Kind] === stringEnumKind ? 'String' : itemSchema[Kind]
  if (kind !== 'String' && kind !== 'Integer' && kind !== 'Boolean') {
    throw new TypeError(`Field ${name}: cannot convert text to ${kind}.`)
  }
  const isCode = kind === 'String' && ['format', 'pattern', 'enum'].some(name => itemSchema[name] !== undefined)
  const emptyIsAbsent = kind !== 'String' || isCode
  return { name, index, kind, required, isList, emptyIsAbsent, validator: TypeCompiler.Compile(itemSchema) }
}

/** Validates a value by itself. Returns undefined if it is valid. */
export function validateField (field: CompiledField, value: unknown): Violation | undefined {
  if (field.kind === 'String' && typeof value === 'string') {
    const violation = validateText(field, value)
    if (violation !== undefined) return violation
  }
  if (field.validator.Check(value)) return undefined
  // `Number` and JSON.parse return Infinity for too many digits, which TypeBox would report as a wrong type.
  if (field.kind === 'Integer' && (value === Infinity || value === -Infinity)) {
    return toViolation(field, value > 0 ? ValueErrorType.IntegerMaximum : ValueErrorType.IntegerMinimum)
  }
  return toViolation(field, field.validator.Errors(value).First()?.type)
}

function validateText ({ required }: CompiledField, value: string): Violation | undefined {
  // A UTF-16 code unit takes at most three bytes in UTF-8, so most texts need not be measured.
  if (value.length * 3 > textMaxBytes && Buffer.byteLength(value) > textMaxBytes) return sizeViolation
  if (value.includes('\0')) return { rule: 'format', message: 'must not contain NUL characters' }
  return required && value.trim() === '' ? requiredViolation : undefined
}

/** A required field is missing or blank. */
export const requiredViolation: Violation = { rule: 'required', message: 'is required' }
/** A text is too long in UTF-8. */
export const sizeViolation: Violation = { rule: 'size', message: `must have at most ${textMaxBytes} bytes` }

const typeMessages = {
  String: 'must be a string',
  Integer: 'must be an integer',
  Boolean: 'must be true or false',
} as const

export const typeViolation = (field: CompiledField): Violation => ({ rule: 'type', message: typeMessages[field.kind] })

function toViolation (field: CompiledField, error: ValueErrorType | undefined): Violation {
  const schema: Record<string, unknown> = field.validator.Schema()
  switch (error) {
    case ValueErrorType.IntegerMinimum:
      return { rule: 'size', message: `must be at least ${String(schema['minimum'])}` }
    case ValueErrorType.IntegerMaximum:
      return { rule: 'size', message: `must be at most ${formatMaximum(schema['maximum'])}` }
    case ValueErrorType.StringMaxLength:
      return sizeViolation
    case ValueErrorType.StringFormat:
    case ValueErrorType.StringPattern:
      return { rule: 'format', message: formatMessages[String(schema['format'])] ?? 'must have the required format' }
    case ValueErrorType.Kind:
      return { rule: 'format', message: `must be one of ${String(schema['enum']).replaceAll(',', ', ')}` }
    default:
      return typeViolation(field)
  }
}

function formatMaximum (maximum: unknown): string {
  return maximum === maxId ? '2^53-1' : String(maximum)
}

/** Messages of the formats that fields may have. */
export const formatMessages: Readonly<Record<string, string>> = {
  email: 'must be an e-mail address',
  'iso-3166-1-alpha-2': 'must be an ISO 3166-1 alpha-2 code in upper case',
  'iso-8601-range': 'must be an ISO 8601 date or date-time, or two of them separated by `...`',
  'iso-3166-2-subdivision': 'must be the subdivision part of an ISO 3166-2 code, which follows the hyphen',
}

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
