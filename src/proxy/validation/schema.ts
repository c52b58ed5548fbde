/**
 * Compiles the description of a record (path, query or body) into validators of its fields. TypeBox validates types and
 * constraints; the code here validates what JSON Schema cannot express.
 */
import { Kind, Type, TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { ValueErrorType } from '@sinclair/typebox/errors'
import {
  acceptsNull, describeNested, getNestedRecord,
  type Body, type FieldDependency, type NullMeaning, type RecordBody, type RecordDescription, type RecordListBody,
  type Restriction,
} from '../../endpoints/endpoint.ts'
import { limits } from '../../config/limits.ts'
import { stringEnumKind } from '../../endpoints/string-enum.ts'
import { linePattern, listMaxItems, textMaxBytes } from '../../endpoints/fields.ts'
import type { FieldError, ErrorRule } from '../../server/problem.ts'
import { isRounded } from './rounded-number.ts'
import {
  describeFormat, describeMaximum, describeMinimum, describeText, describeType, type FieldKind,
} from './messages.ts'

/** What a field and a record in a record have in common. */
interface CompiledMember {
  name: string
  /** Position in the schema; errors are reported in this order. */
  index: number
  required: boolean
  /** What `null` means in JSON: there is no value, the field is cleared, or a value that is required is missing. */
  nullMeaning: 'absent' | 'cleared' | 'missing'
}

/** One field with its compiled schema. */
export interface CompiledField extends CompiledMember {
  kind: FieldKind
  /** Whether the field has several values of its kind. */
  isList: boolean
  /** Whether an empty text, which a browser sends for an untouched input, means that there is no value. */
  emptyIsAbsent: boolean
  /** Whether zeros before an integer matter: 0 is a valid phone extension, and 007 is another one than 7. */
  keepsZeros: boolean
  /** Whether a text of it may have a minus sign. */
  isSigned: boolean
  validator: TypeCheck<TSchema>
}

/** A rule that a value breaks. `message` continues a sentence that starts with the name of the field. */
export interface Violation {
  rule: ErrorRule
  message: string
}

/** A record, or a list of records, in another record. */
export interface CompiledNested extends CompiledMember {
  /** Undefined for one record. */
  list: { minItems: 0 | 1, maxItems: number } | undefined
  record: CompiledRecord
  /** The records that have the field. */
  existing: { idField: string, record: CompiledRecord } | undefined
}

/** The compiled description of one part of a request, or of a record in it. */
export interface CompiledRecord {
  location: FieldError['in']
  /** The name of the record in a body; undefined for path and query, and for a body that has a list of records. */
  rootKey: string | undefined
  fields: ReadonlyMap<string, CompiledField>
  /** The records in this record, and lists of them, by name. */
  nested: ReadonlyMap<string, CompiledNested>
  /** Names of fields and of records in this record. */
  required: readonly string[]
  /** Most errors in one response. */
  errorsMax: number
  /** What `null` means for an optional field of a JSON body. */
  nullMeaning: NullMeaning['kind']
  /** The images that a form may contain, by name, and their positions after the fields. */
  images: ReadonlyMap<string, number>
  dependencies: readonly FieldDependency[]
  /** Restrictions, keyed by field name. */
  restrictions: ReadonlyMap<string, Restriction>
}

/** Compiles a body, once for each endpoint at startup. */
export function compileBody (body: Body): CompiledRecord {
  return body.record === undefined ? compileRecord('body', body.fields, body) : compileListBody(body)
}

/** The document is a record whose only member is the list. */
function compileListBody ({ rootKey, maxItems, record, existing }: RecordListBody): CompiledRecord {
  const compile = (description: RecordDescription) => compileRecord('body', description.fields, description)
  const list: CompiledNested = {
    name: rootKey,
    index: 0,
    required: true,
    nullMeaning: 'missing',
    list: { minItems: 1, maxItems },
    record: compile(record),
    existing: existing && { idField: existing.idField, record: compile(existing.record) },
  }
  return {
    ...compileRecord('body', Type.Object({})),
    nested: new Map([[rootKey, list]]),
    required: [rootKey],
    errorsMax: limits.validation.listErrorsMax,
  }
}

type CompilableRecord = RecordDescription & Partial<Pick<RecordBody, 'rootKey' | 'images'>>

/**
 * Compiles a record, once for each endpoint at startup.
 * @throws {TypeError} for a field of a kind that cannot be converted from text
 */
export function compileRecord (location: FieldError['in'], schema: TObject, body?: CompilableRecord): CompiledRecord {
  const fields = new Map<string, CompiledField>()
  const nested = new Map<string, CompiledNested>()
  const requiredNames = new Set(schema.required ?? [])
  const properties = Object.entries(schema.properties)
  for (const [index, [name, field]] of properties.entries()) {
    const member = { name, index, required: requiredNames.has(name), nullMeaning: getNullMeaning(body, name) }
    const record = getNestedRecord(field)
    if (record === undefined || body === undefined) fields.set(name, compileField(field, member))
    else nested.set(name, compileNested(member, TypeGuard.IsArray(field), describeNested(record, body)))
  }
  return {
    location,
    rootKey: body?.rootKey,
    nullMeaning: body?.nullMeaning?.kind ?? 'absent',
    fields,
    nested,
    required: [...requiredNames],
    errorsMax: limits.validation.errorsMax,
    images: new Map(body?.images?.map(({ name }, index) => [name, properties.length + index])),
    dependencies: body?.dependencies ?? [],
    restrictions: compileRestrictions(body),
  }
}

function compileRestrictions (body: RecordDescription | undefined): Map<string, Restriction> {
  const restrictions = body?.restrictions ?? []
  const active = restrictions.filter(entry => entry.kind === 'operation' || entry.values.size > 0)
  return new Map(active.flatMap(restriction => restriction.fields.map(name => [name, restriction] as const)))
}

function getNullMeaning (body: RecordDescription | undefined, name: string): CompiledMember['nullMeaning'] {
  return body !== undefined && acceptsNull(body, name) ? body.nullMeaning?.kind ?? 'absent' : 'missing'
}

function compileNested (member: CompiledMember, isList: boolean, description: RecordDescription): CompiledNested {
  return {
    ...member,
    list: isList ? { minItems: 0, maxItems: listMaxItems } : undefined,
    record: compileRecord('body', description.fields, description),
    existing: undefined,
  }
}

function compileField (schema: TSchema, member: CompiledMember): CompiledField {
  const isList = TypeGuard.IsArray(schema)
  const itemSchema = isList ? schema.items : schema
  const kind = itemSchema[Kind] === stringEnumKind ? 'String' : itemSchema[Kind]
  if (kind !== 'String' && kind !== 'Integer' && kind !== 'Number' && kind !== 'Boolean') {
    throw new TypeError(`Field ${member.name}: cannot convert text to ${kind}.`)
  }
  const isText = kind === 'String' && (itemSchema['pattern'] ?? linePattern) === linePattern &&
    ['format', 'enum'].every(name => itemSchema[name] === undefined)
  return {
    ...member,
    kind,
    isList,
    emptyIsAbsent: !isText,
    keepsZeros: kind === 'Integer' && itemSchema['minimum'] === 0,
    isSigned: itemSchema['minimum'] < 0,
    validator: TypeCompiler.Compile(itemSchema),
  }
}

/** Validates a value by itself; the value of a list is one item. Returns undefined if it is valid. */
export function validateField (field: CompiledField, value: unknown): Violation | undefined {
  if (field.kind === 'String' && typeof value === 'string') {
    const violation = validateText(field, value)
    if (violation !== undefined) return violation
  }
  if (field.validator.Check(value)) return undefined
  // `Number` and JSON.parse return Infinity for too many digits, which TypeBox would report as a wrong type.
  if (isNumeric(field) && (value === Infinity || value === -Infinity)) {
    return toViolation(field, value, value > 0 ? ValueErrorType.NumberMaximum : ValueErrorType.NumberMinimum)
  }
  return toViolation(field, value, field.validator.Errors(value).First()?.type)
}

const isNumeric = ({ kind }: CompiledField) => kind === 'Integer' || kind === 'Number'

function validateText ({ required }: CompiledField, value: string): Violation | undefined {
  // A UTF-16 code unit takes at most three bytes in UTF-8, so most texts need not be measured.
  if (value.length * 3 > textMaxBytes && Buffer.byteLength(value) > textMaxBytes) return sizeViolation
  if (value.includes('\0')) return { rule: 'format', message: 'must not contain NUL characters' }
  // Serialized as UTF-8 it would be another text.
  if (!value.isWellFormed()) return { rule: 'format', message: 'must not contain half of a surrogate pair' }
  return required && value.trim() === '' ? requiredViolation : undefined
}

/** A required field is missing or blank. */
export const requiredViolation: Violation = { rule: 'required', message: 'is required' }
/** A field that cannot be cleared is null. */
export const nullViolation: Violation = { rule: 'required', message: 'must not be null' }
/** A list has too many items. */
export const tooManyItems = (maxItems: number): Violation =>
  ({ rule: 'size', message: `must have at most ${maxItems} items` })
/** A list that must have an item has none. */
export const emptyList: Violation = { rule: 'size', message: 'must not be empty' }
/** A record is another value. */
export const notAnObject: Violation = { rule: 'type', message: 'must be an object' }
/** A list is another value. */
export const notAList: Violation = { rule: 'type', message: 'must be a list' }
/** A text is too long in UTF-8. */
export const sizeViolation: Violation = { rule: 'size', message: `must have at most ${textMaxBytes} bytes` }

const typeViolation = (field: CompiledField, value: unknown): Violation =>
  ({ rule: 'type', message: describeType(field.kind, value) })

function toViolation (field: CompiledField, value: unknown, error: ValueErrorType | undefined): Violation {
  const schema: Record<string, unknown> = field.validator.Schema()
  switch (error) {
    case ValueErrorType.IntegerMinimum:
    case ValueErrorType.NumberMinimum:
      return { rule: 'size', message: describeMinimum(schema['minimum']) }
    case ValueErrorType.IntegerMaximum:
    case ValueErrorType.NumberMaximum:
      return { rule: 'size', message: describeMaximum(schema['maximum']) }
    case ValueErrorType.StringMaxLength:
      return sizeViolation
    case ValueErrorType.StringFormat:
    case ValueErrorType.StringPattern:
      return { rule: 'format', message: describeFormat(schema, String(value)) }
    case ValueErrorType.Kind:
      return { rule: 'format', message: `must be one of ${String(schema['enum']).replaceAll(',', ', ')}` }
    default:
      return typeViolation(field, value)
  }
}

/** A text that was converted to the type of its field, or why it could not be. */
type ConvertedText = { value: string | number | boolean } | { violation: Violation }

/**
 * Converts the text of a form field, query parameter or path parameter to the type of its field. Integers are decimal
 * digits; numbers may have a fraction; booleans are `true`, `false`, `1` or `0`, as in Rails. It does not check the
 * range of a value.
 */
export function convertText ({ kind, keepsZeros, isSigned }: CompiledField, text: string): ConvertedText {
  if (kind === 'String') return { value: text }
  if (kind === 'Boolean') {
    if (text === 'true' || text === '1') return { value: true }
    if (text === 'false' || text === '0') return { value: false }
  } else if (kind === 'Number') {
    const isNumber = (isSigned ? /^-?\d+(?:\.\d+)?$/ : /^\d+(?:\.\d+)?$/).test(text)
    if (isNumber && !isRounded(text)) return { value: Number(text) }
  } else if ((isSigned ? /^-?\d+$/ : /^\d+$/).test(text)) {
    if (!keepsZeros || !/^0\d/.test(text)) return { value: Number(text) }
    return { violation: { rule: 'format', message: 'must not start with 0, because Procore would drop it' } }
  }
  return { violation: { rule: 'type', message: describeText(kind) } }
}
