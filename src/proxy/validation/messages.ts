/** Describes what is wrong with a value. A message continues a sentence that starts with the name of the field. */
import {
  anyCountryPattern, anyStatePattern, batchIdPattern, idTextPattern, isDateTime, linePattern, maxId,
} from '../../endpoints/fields.ts'
import { countryCodes, subdivisionCodes } from '../../endpoints/iso-3166.ts'

/** The type of a field's values. */
export type FieldKind = 'String' | 'Integer' | 'Number' | 'Boolean'

/** Describes a value of JSON that has another type than its field. */
export function describeType (kind: FieldKind, value: unknown): string {
  const isText = typeof value === 'string'
  if (kind === 'String') return 'must be a string'
  if (kind === 'Integer') return isText ? 'must be a number, not a string' : 'must be an integer'
  if (kind === 'Number') return isText ? 'must be a number, not a string' : describeNumber(value)
  return isText ? 'must be true or false, not a string' : 'must be true or false'
}

/** The parser of JSON returns NaN for a number that would be rounded. */
const describeNumber = (value: unknown) =>
  Number.isNaN(value) ? 'must be a number that is not rounded' : 'must be a number'

/** Describes a text of a form, query or path that cannot be converted. */
export function describeText (kind: FieldKind): string {
  if (kind === 'Boolean') return 'must be true, false, 1 or 0'
  return kind === 'Number' ? 'must be a decimal number that is not rounded' : 'must consist of decimal digits'
}

export const describeMinimum = (minimum: unknown) => `must be at least ${describeBound(minimum)}`

export const describeMaximum = (maximum: unknown) => `must be at most ${describeBound(maximum)}`

function describeBound (bound: unknown): string {
  if (bound === maxId) return '2^53-1'
  return bound === -maxId ? '-(2^53-1)' : String(bound)
}

/** Messages of the formats that fields may have. */
export const formatMessages: Readonly<Record<string, (value: string) => string>> = {
  email: describeEmail,
  'iso-3166-1-alpha-2': describeCountry,
  'iso-3166-2-subdivision': describeSubdivision,
  'iso-8601-range': describeDateRange,
  date: () => 'must be a date that exists, as YYYY-MM-DD',
  'date-time': () => 'must be a date and time with an offset, such as 2026-01-31T12:00:00Z',
}

const patterns: Readonly<Record<string, string>> = {
  [linePattern]: 'must not contain a line break',
  [idTextPattern]: 'must be an id: 1 to 19 decimal digits, the first of which is not 0',
  [batchIdPattern]: 'must be a batch id: 1 to 100 letters, digits, hyphens and underscores',
  [anyCountryPattern]: 'must be two capital letters',
  [anyStatePattern]: 'must be one to three capital letters or digits',
}

/** Describes a text that breaks the format or the pattern of its field. */
export function describeFormat (schema: Readonly<Record<string, unknown>>, value: string): string {
  const { format, pattern } = schema
  const message = formatMessages[String(format)]?.(value) ?? patterns[String(pattern)]
  return message ?? `must have the format ${String(format ?? pattern)}`
}

function describeEmail (value: string): string {
  if (value !== value.trim()) return 'must be an e-mail address without white space around it'
  if (/^[^@\s]+@[^@.\s]+$/.test(value)) return 'must be an e-mail address with a whole domain name, such as example.com'
  // eslint-disable-next-line no-control-regex -- the pattern is all of ASCII
  return /^[\x00-\x7f]*$/.test(value) ? 'must be an e-mail address' : 'must be an e-mail address in ASCII'
}

function describeCountry (value: string): string {
  if (/^[a-z]{2}$/i.test(value) && countryCodes.has(value.toUpperCase())) return 'must be in upper case'
  if (value.toUpperCase() === 'UK') return 'must be GB for the United Kingdom: UK is not an ISO 3166-1 alpha-2 code'
  return /^[A-Z]{2}$/.test(value)
    ? 'must be an ISO 3166-1 alpha-2 code that is currently assigned'
    : 'must be an ISO 3166-1 alpha-2 code: two capital letters'
}

function describeSubdivision (value: string): string {
  if (/^[a-z0-9]+$/i.test(value) && subdivisionCodes.has(value.toUpperCase())) return 'must be in upper case'
  if (/^[a-z]{2}-/i.test(value) && subdivisionCodes.has(value.slice(3).toUpperCase())) return 'must be without the country and the hyphen'
  return 'must be the part after the hyphen of an ISO 3166-2 code'
}

function describeDateRange (value: string): string {
  const ends = value.split('...')
  if (ends.length > 2) return 'must be one date or date-time, or two of them separated by `...`'
  const end = ends.find(end => !isDateTime(end)) ?? ''
  if (/\.\d{7}/.test(end)) return 'must have at most six digits after the decimal point of the seconds'
  if (/^\d{4}-\d\d-\d\d/.test(end) && !isDateTime(end.slice(0, 10))) return 'must contain only dates that exist'
  if (/^.{10}T\d\d:\d\d:\d\d/.test(end) && !isDateTime(end.slice(0, 19))) return 'must contain only times that exist'
  return 'must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, with an optional fraction and offset, or two of them separated ' +
    'by `...`'
}
