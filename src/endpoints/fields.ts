/** Defines the field types of Procore as TypeBox schemas, and registers the formats that they use. */
import { FormatRegistry, Type, type SchemaOptions } from '@sinclair/typebox'
import { fullFormats } from 'ajv-formats/dist/formats.js'
import { stringEnum } from './string-enum.ts'
import { countryCodes, subdivisionCodes } from './iso-3166.ts'

/** Procore's ids are 64-bit integers, currently near 2^49. Above 2^53-1 a JavaScript number is not exact. */
export const maxId = Number.MAX_SAFE_INTEGER

/** Maximum UTF-8 bytes of one text field, in a multipart form or in JSON. */
export const textMaxBytes = 65_536

/** Maximum number of parts of a form: fields, items of lists, and images. */
export const formPartsMax = 64

/** Maximum number of values of one query parameter. */
export const listMaxItems = 100

const emailPattern = fullFormats.email
FormatRegistry.Set('email', value => emailPattern instanceof RegExp && emailPattern.test(withoutLocalDots(value)))

/**
 * Dots may be anywhere in the local part: Japanese carriers assigned addresses such as `a..b.@example.com`, which RFC
 * 5321 §4.1.2 allows in quotes only.
 */
function withoutLocalDots (address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : address.slice(0, at).replaceAll('.', '') + address.slice(at)
}

/** A date, or a date and time with or without an offset. */
const dateTimePattern =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?)?$/
/** A date of RFC 3339 (`full-date`), with a day that exists in its month. */
FormatRegistry.Set('date', value => value.length === 10 && isDateTime(value))
const instantPattern =
  /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(?:\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i
/** A date and time of RFC 3339 (`date-time`), with its offset from UTC. */
FormatRegistry.Set('date-time', value => {
  const [, day = '', minute, second, offset = ''] = instantPattern.exec(value) ?? []
  if (!isDateTime(day) || second !== '60') return isDateTime(day)
  // A leap second is the last one of a day in UTC (RFC 3339 §5.7).
  return new Date(`${day}T${minute}:59${offset.toUpperCase()}`).toISOString().includes('T23:59:')
})
FormatRegistry.Set('iso-8601-range', value => {
  const ends = value.split('...')
  return ends.length <= 2 && ends.every(isDateTime)
})
/** Whether the text is a date or a date and time, with a day that exists in its month. */
export function isDateTime (text: string): boolean {
  const [, year, month, day] = dateTimePattern.exec(text) ?? []
  if (day === undefined) return false
  return new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDate() === Number(day)
}
FormatRegistry.Set('iso-3166-1-alpha-2', value => countryCodes.has(value))
FormatRegistry.Set('iso-3166-2-subdivision', value => subdivisionCodes.has(value))

type FieldOptions = SchemaOptions & { description: string }

/** A format or a pattern needs an example, from which the document builds one of the whole body. */
const withExample = (options: FieldOptions, example: string): FieldOptions =>
  'examples' in options ? options : { ...options, examples: [example] }

/** Free text of several lines. The empty string is a valid value. */
export const text = (options: FieldOptions) => Type.String({ maxLength: textMaxBytes, ...options })

export const linePattern = '^[^\\r\\n]*$'

/** Free text of one line. The empty string is a valid value. */
export const line = (options: FieldOptions) => text({ pattern: linePattern, ...options })

/** An e-mail address, validated by the full `email` format of ajv-formats, with dots anywhere in its local part. */
export const emailAddress = (options: FieldOptions) =>
  Type.String({ format: 'email', maxLength: textMaxBytes, ...withExample(options, 'jane.doe@example.com') })

/** An id of Procore: 1 to 2^53-1. */
export const id = (options: FieldOptions) => Type.Integer({ minimum: 1, maximum: maxId, ...options })

export const idTextPattern = '^[1-9]\\d{0,18}$'
const idTextExample = '1234'

/**
 * An id that Procore's API v2.0 has as a string. Every id has one text only, so that it can be compared: no sign, no
 * leading zeros.
 */
export const idText = (options: FieldOptions) =>
  Type.String({ pattern: idTextPattern, ...withExample(options, idTextExample) })

/** Several ids that are strings. */
export const idTexts = (options: FieldOptions) =>
  Type.Array(Type.String({ pattern: idTextPattern, examples: [idTextExample] }), { maxItems: listMaxItems, ...options })

export const batchIdPattern = '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$'

/** The id of a batch. It is a part of a path, so it has no characters that mean something in one. */
export const batchId = (options: FieldOptions) =>
  Type.String({ pattern: batchIdPattern, ...withExample(options, 'batch-123abc456def') })

/** An integer of at least 0. */
export const nonNegativeInteger = (options: FieldOptions) => Type.Integer({ minimum: 0, maximum: maxId, ...options })

/** A number with an optional fraction, between -(2^53-1) and 2^53-1. */
export const decimal = (options: FieldOptions) => Type.Number({ minimum: -maxId, maximum: maxId, ...options })

/** A date, such as 2026-01-31. */
export const date = (options: FieldOptions) =>
  Type.String({ format: 'date', ...withExample(options, '2026-01-31') })

/** A date and time with its offset from UTC, such as 2026-01-31T12:00:00Z. */
export const dateTime = (options: FieldOptions) =>
  Type.String({ format: 'date-time', maxLength: textMaxBytes, ...withExample(options, '2026-01-31T12:00:00Z') })

/** `true` or `false`; in multipart forms and queries also `1` or `0`. */
export const boolean = (options: FieldOptions) => Type.Boolean(options)

/** One of the given strings. */
export const oneOf = <const T extends readonly string[]>(values: T, options: FieldOptions) =>
  stringEnum(values, options)

/** A start, or a start and an end separated by `...`. */
export const dateRange = (options: FieldOptions) =>
  Type.String({ format: 'iso-8601-range', ...withExample(options, '2026-01-31') })

/** Several ids: a list in JSON. A query parameter, or the part of a form, is repeated for each. */
export const ids = (options: FieldOptions) =>
  Type.Array(Type.Integer({ minimum: 1, maximum: maxId }), { maxItems: listMaxItems, ...options })

/** Validation of the codes of countries and states (`STATE_CODES`): by ISO 3166, or by Procore only. */
export type StateCodes = 'iso' | 'any'

/** Configuration of the endpoints. */
export interface EndpointOptions {
  readonly stateCodes: StateCodes
  /** Permission templates that callers may assign; empty: any. */
  readonly permissionTemplateIds: ReadonlySet<number>
}

export const anyCountryPattern = '^[A-Z]{2}$'
export const anyStatePattern = '^[A-Z0-9]{1,3}$'

/** A country. `any` accepts codes that are in use, but not assigned by ISO 3166-1, such as XK. */
export const countryCode = (stateCodes: StateCodes, options: FieldOptions) => stateCodes === 'iso'
  ? Type.String({ format: 'iso-3166-1-alpha-2', ...withExample(options, 'US') })
  : Type.String({ pattern: anyCountryPattern, ...withExample(options, 'US') })

/** A state. `any` is for companies where Procore's list of states differs from ISO 3166-2. */
export const stateCode = (stateCodes: StateCodes, options: FieldOptions) => stateCodes === 'iso'
  ? Type.String({ format: 'iso-3166-2-subdivision', ...withExample(options, 'CA') })
  : Type.String({ pattern: anyStatePattern, ...withExample(options, 'CA') })

/** Path parameters of most endpoints. An invalid id is reported as a field error in the path. */
export const companyParams = Type.Object({
  company_id: id({ description: 'The id of the company.', examples: [1234] }),
})

/** Maximum number of items per page of Procore. */
export const pageMaxItems = 2000

/** Paging parameters. Procore counts pages from 1 and describes them in `Link`, `Total` and `Per-Page`. */
export const pageParams = {
  page: Type.Optional(id({ description: 'Page number, starting at 1.', examples: [1] })),
  per_page: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: pageMaxItems,
    description: 'Number of items per page.',
    examples: [100],
  })),
}
