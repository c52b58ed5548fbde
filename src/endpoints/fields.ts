/**
 * The vocabulary that endpoints are described with: the few kinds of field that Procore has, as TypeBox schemas,
 * and the formats that TypeBox is taught for them. It knows no endpoint and does no I/O.
 */
import { FormatRegistry, Type, type SchemaOptions } from '@sinclair/typebox'
import { fullFormats } from 'ajv-formats/dist/formats.js'
import { stringEnum } from './string-enum.ts'
import { countryCodes, subdivisionCodes } from './iso-3166.ts'

/** Ids are 64-bit at Procore and near 2^49; beyond 2^53-1 a number of JavaScript is no longer exact. */
export const maxId = Number.MAX_SAFE_INTEGER

/** Most bytes of UTF-8 that one text field may have, in a form or in JSON. */
export const textMaxBytes = 65_536

/** Most values that one name of a query may have. */
export const listMaxItems = 100

const emailPattern = fullFormats.email
FormatRegistry.Set('email', value => emailPattern instanceof RegExp && emailPattern.test(value))
/** A date, or a point in time with or without its offset. */
const dateTimePattern = /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?)?$/
FormatRegistry.Set('iso-8601-range', value => {
  const ends = value.split('...')
  return ends.length <= 2 && ends.every(isDateTime)
})
/** The day has to be one of its month. */
function isDateTime (text: string): boolean {
  const [, year, month, day] = dateTimePattern.exec(text) ?? []
  return day !== undefined && new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day)
}
FormatRegistry.Set('iso-3166-1-alpha-2', value => countryCodes.has(value))
FormatRegistry.Set('iso-3166-2-subdivision', value => subdivisionCodes.has(value))

type FieldOptions = SchemaOptions & { description: string }

/** Free text; a string that is empty is a value. */
export const text = (options: FieldOptions) => Type.String({ maxLength: textMaxBytes, ...options })

/** An address as ajv-formats' full `email` has it. */
export const emailAddress = (options: FieldOptions) => Type.String({ format: 'email', maxLength: textMaxBytes, ...options })

/** An id of Procore's: 1 to 2^53-1. */
export const id = (options: FieldOptions) => Type.Integer({ minimum: 1, maximum: maxId, ...options })

/** A count or number of at least 0. */
export const nonNegativeInteger = (options: FieldOptions) => Type.Integer({ minimum: 0, maximum: maxId, ...options })

/** `true` or `false`; in forms and queries `1` and `0` as well. */
export const boolean = (options: FieldOptions) => Type.Boolean(options)

/** ISO 3166-1 alpha-2, in upper case. */
export const countryCode = (options: FieldOptions) => Type.String({ format: 'iso-3166-1-alpha-2', ...options })

/** One of a few words. */
export const oneOf = <const T extends readonly string[]>(values: T, options: FieldOptions) => stringEnum(values, options)

/** Since when, or from when until when. */
export const dateRange = (options: FieldOptions) => Type.String({ format: 'iso-8601-range', ...options })

/** Several ids, each given under the same name. */
export const ids = (options: FieldOptions) => Type.Array(Type.Integer({ minimum: 1, maximum: maxId }), { maxItems: listMaxItems, ...options })

/** Whose list of subdivisions counts: that of ISO 3166-2, or whatever Procore takes (`STATE_CODES`). */
export type StateCodes = 'iso' | 'any'

/** What an operator decides about descriptions. */
export interface EndpointOptions {
  readonly stateCodes: StateCodes
  /** The only permission templates that callers may give; empty: any. */
  readonly permissionTemplateIds: ReadonlySet<number>
}

/** `any` is for when Procore's own list of states differs from ISO 3166-2. */
export const stateCode = (stateCodes: StateCodes, options: FieldOptions) => stateCodes === 'iso'
  ? Type.String({ format: 'iso-3166-2-subdivision', ...options })
  : Type.String({ pattern: '^[A-Z0-9]{1,3}$', ...options })

/** Of nearly all paths; an id that is none is told as a fault of the path. */
export const companyParams = Type.Object({
  company_id: id({ description: 'The id of the company.', examples: [1234] }),
})

/** Procore gives at most so many items at a time. */
export const pageMaxItems = 2000

/** Procore counts pages from 1, and says in `Link`, `Total` and `Per-Page` what there is. */
export const pageParams = {
  page: Type.Optional(id({ description: 'Which page, from 1 on.', examples: [1] })),
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: pageMaxItems, description: 'How many items a page has.', examples: [100] })),
}
