/**
 * Checks the description of an endpoint at startup. A description that the proxy cannot follow is refused. Otherwise
 * the OpenAPI document would contain constraints that are not validated, or a request would have no company to check.
 */
import { FormatRegistry, Kind, OptionalKind, Type, TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import {
  getEndpointPaths, getNestedRecord, hasForm,
  type Body, type Endpoint, type LookupSpec, type RecordBody, type RecordDescription, type RecordListBody,
} from '../../endpoints/endpoint.ts'
import { limits } from '../../config/limits.ts'
import { linePattern, listMaxItems, maxId, pageParams, textMaxBytes } from '../../endpoints/fields.ts'
import { stringEnumKind } from '../../endpoints/string-enum.ts'
import { getParameterNames } from '../url.ts'
import { formatMessages } from './messages.ts'

/** Keywords that only describe a value. */
const annotations = ['type', 'title', 'description', 'examples', 'deprecated']

/** Keywords that are validated with a message of their own, by kind. */
const fieldKeywords: Readonly<Record<string, readonly string[]>> = {
  String: ['maxLength', 'pattern', 'format'],
  [stringEnumKind]: ['enum'],
  Integer: ['minimum', 'maximum'],
  Number: ['minimum', 'maximum'],
  Boolean: [],
}

const jsonTypes: Readonly<Record<string, string>> = {
  String: 'string', [stringEnumKind]: 'string', Integer: 'integer', Number: 'number', Boolean: 'boolean',
}

const listKeywords = ['items', 'maxItems']
const recordKeywords = ['properties', 'required', 'additionalProperties']

/**
 * Idempotency keys, scopes and operation ids have the name of the endpoint.
 * @throws {TypeError} with all faults of the first description that has any
 */
export function assertDescriptions (endpoints: readonly Endpoint[]): void {
  const names = endpoints.map(({ name }) => name)
  const repeated = names.find((name, index) => names.indexOf(name) < index)
  if (repeated !== undefined) throw new TypeError(`Several endpoints have the name ${repeated}.`)
  for (const endpoint of endpoints) assertDescription(endpoint)
}

function assertDescription (endpoint: Endpoint): void {
  const { params, query, body } = endpoint
  const faults = [
    ...findCompanyFaults(endpoint),
    ...findPathFaults(endpoint),
    ...findRecordFaults('params', params),
    ...findRecordFaults('query', query),
    ...(body === undefined ? [] : findBodyFaults(body)),
    ...findParameterFaults(endpoint),
    ...findLookupFaults(endpoint),
    ...findSyncFaults(endpoint),
    ...findReportFaults(endpoint),
    ...findFileFaults(endpoint),
  ]
  if (faults.length > 0) throw new TypeError(`The endpoint ${endpoint.name} cannot be served: ${faults.join('; ')}.`)
}

/** The checks of the company, and the header that names it to Procore, need one company in every other request. */
function findCompanyFaults ({ params, query, effect, procorePath, companies, success }: Endpoint): string[] {
  const company = Object.entries(params.properties).find(([name]) => name === 'company_id')?.[1]
  if (companies === 'filtered') {
    const isNamed = company !== undefined || 'company_id' in query.properties
    const isRead = effect === 'safe' && procorePath !== undefined
    const isPage = success.isPage === true && Object.keys(pageParams).every(name => name in query.properties)
    return [
      ...(isNamed ? ['a list of companies must not have company_id'] : []),
      ...(isRead ? [] : ['a list of companies must be read from Procore']),
      ...(isPage ? [] : ['a list of companies must have pages: `isPage`, and the query `pageParams`']),
      ...(TypeGuard.IsArray(success.schema) ? [] : ['the response of a list of companies must be an array']),
    ]
  }
  if (company === undefined) return ['params must have company_id, which a path names or its query has']
  const faults: string[] = []
  const isId = TypeGuard.IsInteger(company) && company.minimum !== undefined && company.minimum >= 1
  if (!isId || OptionalKind in company) faults.push('company_id in params must be a required id')
  if ('company_id' in query.properties) faults.push('company_id must be in params only')
  return faults
}

/** The parts of a path between slashes: text, or the whole part is a parameter. */
const pathPattern = /^(?:\/(?:[\w.-]+|:\w+))+$/

/** A name that is not in `params` would be sent as `undefined`. */
function findPathFaults (endpoint: Endpoint): string[] {
  const { params, guard, lookup, file } = endpoint
  const paths = [...getEndpointPaths(endpoint), ...lookup?.lists.map(list => list.path) ?? []]
  if (guard !== undefined) paths.push(guard.procorePath)
  if (guard?.listPath !== undefined) paths.push(guard.listPath)
  if (file !== undefined) paths.push(file.record.procorePath)
  return paths.flatMap(path => {
    const unknown = getParameterNames(path).filter(name => !Object.hasOwn(params.properties, name))
    return [
      ...(pathPattern.test(path) ? [] : [`the path ${path} must have names and parameters only`]),
      ...unknown.map(name => `${path} names ${name}, which is not in params`),
    ]
  })
}

/** A parameter of both would be validated by one of its schemas only. The query parameter `_` is always ignored. */
function findParameterFaults ({ params, query }: Endpoint): string[] {
  const inBoth = Object.keys(query.properties)
    .filter(name => Object.hasOwn(params.properties, name) && name !== 'company_id')
  const ignored = '_' in params.properties || '_' in query.properties ? ['a parameter cannot be named _'] : []
  return [...ignored, ...inBoth.map(name => `${name} must be in params or in query, not in both`)]
}

function findBodyFaults (body: Body): string[] {
  if (body.record === undefined) {
    return [...findDescriptionFaults('body', body), ...findImageFaults(body), ...findFormNameFaults(body)]
  }
  const { maxItems, record, existing } = body
  return [
    ...(Number.isSafeInteger(maxItems) && maxItems >= 1 ? [] : ['body: maxItems must be an integer of at least 1']),
    ...findDescriptionFaults('body record', record),
    ...(existing === undefined ? [] : findExistingFaults(record, existing)),
  ]
}

/** A form has brackets around the names of fields. */
function findFormNameFaults (body: RecordBody): string[] {
  if (!hasForm(body)) return []
  const names = [...Object.keys(body.fields.properties), ...(body.images ?? []).map(({ name }) => name)]
  return names.filter(name => !/^[^[\]]+$/.test(name)).map(name => `body: a form cannot have the name ${name}`)
}

function findImageFaults (body: RecordBody): string[] {
  const names = (body.images ?? []).map(({ name }) => name)
  if (names.length === 0) return []
  const { imagesMax, partsMax } = limits.multipart
  const repeated = names.filter((name, index) => name in body.fields.properties || names.indexOf(name) < index)
  return [
    ...(hasForm(body)
      ? []
      : [`body: an image needs a form, which has at most ${partsMax} parts and no records in the record`]),
    ...(names.length > imagesMax ? [`body: a form has at most ${imagesMax} images`] : []),
    ...repeated.map(name => `body: the image ${name} has the name of another part`),
  ]
}

/** The field decides by which description a record is validated, so exactly one of them may have it. */
function findExistingFaults (
  { fields }: RecordDescription, { idField, record }: NonNullable<RecordListBody['existing']>
): string[] {
  const faults = findDescriptionFaults('body existing record', record)
  if (idField in fields.properties) faults.push(`body record: only an existing record has ${idField}`)
  const isRequired = record.fields.required?.includes(idField) === true
  if (!isRequired) faults.push(`body existing record: ${idField} must be required`)
  return faults
}

function findDescriptionFaults (part: string, description: RecordDescription): string[] {
  return [
    ...findRecordFaults(part, description.fields),
    ...findNameFaults(part, description),
    ...findRestrictionFaults(part, description),
  ]
}

/** A rule for a field that does not exist would never apply. */
function findNameFaults (
  part: string, { fields, restrictions = [], dependencies, nullMeaning }: RecordDescription
): string[] {
  const exceptFields = nullMeaning?.kind === 'cleared' ? nullMeaning.exceptFields : []
  return [
    ...findUnknownNames(part, 'a restriction', fields, restrictions.flatMap(restriction => restriction.fields)),
    ...findUnknownNames(part, 'a dependency', fields, dependencies.flatMap(dependency => dependency.fields)),
    ...findUnknownNames(part, 'the meaning of null', fields, exceptFields),
  ]
}

/** Only one restriction of a field is validated, and a record is never one of the allowed values. */
function findRestrictionFaults (part: string, { fields, restrictions = [] }: RecordDescription): string[] {
  const names = restrictions.flatMap(restriction => restriction.fields)
  const repeated = names.filter((name, index) => names.indexOf(name) < index)
  const values = restrictions.filter(({ kind }) => kind === 'values').flatMap(restriction => restriction.fields)
  const records = values.filter(name => getNestedRecord(fields.properties[name] ?? Type.Never()) !== undefined)
  return [
    ...repeated.map(name => `${part}: ${name} has several restrictions`),
    ...records.map(name => `${part}: ${name} has records, whose values cannot be restricted`),
  ]
}

/** A lookup by a field that does not exist would find every record. */
function findLookupFaults ({ body, lookup }: Endpoint): string[] {
  if (lookup === undefined) return []
  const fields = body === undefined || body.record !== undefined ? Type.Object({}) : body.fields
  const isFlat = body === undefined || hasForm(body)
  const faults = isFlat ? [] : ['body: the lookup compares fields only, not records in the record']
  return [...faults, ...findUnknownNames('body', 'the lookup', fields, getLookupFields(lookup))]
}

/** Rows with an id must be described, because their scopes are checked with their fields. */
function findSyncFaults ({ body, sync }: Endpoint): string[] {
  const isList = body?.record !== undefined && body.existing !== undefined
  return sync === undefined || isList ? [] : ['sync: the body must be a list of records, some of which exist']
}

/** A row that is identified by an unknown field would never be the one that the response mentions. */
function findReportFaults ({ body, rowReport }: Endpoint): string[] {
  if (rowReport === undefined) return []
  if (body?.record === undefined) return ['rowReport: the body must be a list of records']
  return findUnknownNames('body record', 'the rowReport', body.record.fields, rowReport.fields)
}

function findUnknownNames (part: string, rule: string, { properties }: TObject, names: readonly string[]): string[] {
  return names
    .filter(name => !Object.hasOwn(properties, name))
    .map(name => `${part}: ${rule} names ${name}, which is not a field`)
}

function getLookupFields ({ matchField, originField, fieldPaths }: LookupSpec): string[] {
  const names = [matchField, ...Object.keys(fieldPaths ?? {})]
  return originField === undefined ? names : [...names, originField]
}

/** A field that the record does not have would mean that no record has a file. */
function findFileFaults ({ file }: Endpoint): string[] {
  if (file === undefined) return []
  const { record: { name, success: { schema } }, field } = file
  const isKnown = TypeGuard.IsObject(schema) && Object.hasOwn(schema.properties, field)
  return isKnown ? [] : [`${name} does not return ${field}`]
}

/** Most levels of records: a record, those in it, and those in them. */
const recordLevelsMax = 3

function findRecordFaults (part: string, record: TObject, level = 1): string[] {
  const isParameters = part === 'params' || part === 'query'
  const faults = findUnsupported(part, record, recordKeywords)
  if (record.additionalProperties !== undefined && record.additionalProperties !== false) {
    faults.push(`${part}: unknown fields are always refused`)
  }
  for (const [name, schema] of Object.entries(record.properties)) {
    const field = `${part} ${name}`
    const nested = getNestedRecord(schema)
    const use = { isRequired: record.required?.includes(name) === true, isPath: part === 'params' }
    if (use.isPath && !use.isRequired) faults.push(`${field}: a parameter that may be absent belongs in query`)
    if (nested !== undefined && isParameters) faults.push(`${field}: a parameter cannot have records`)
    else if (nested !== undefined) faults.push(...findNestedFaults(field, schema, nested, level + 1))
    else if (!TypeGuard.IsArray(schema)) faults.push(...findFieldFaults(field, schema, use))
    else if (part === 'params') faults.push(`${field}: a parameter of a path has one value`)
    else faults.push(...findListFaults(field, schema, use))
  }
  return faults
}

function findNestedFaults (field: string, schema: TSchema, nested: TObject, level: number): string[] {
  if (level > recordLevelsMax) return [`${field}: records in records may have ${recordLevelsMax} levels`]
  const listFaults = TypeGuard.IsArray(schema) ? findArrayFaults(field, schema) : []
  const recordFaults = findRecordFaults(TypeGuard.IsArray(schema) ? `${field} items` : field, nested, level)
  return withExampleFaults(field, schema, [...listFaults, ...recordFaults])
}

function findListFaults (field: string, schema: TSchema & { items: TSchema }, use: FieldUse): string[] {
  const itemFaults = findFieldFaults(`${field} items`, schema.items, use)
  return withExampleFaults(field, schema, [...findArrayFaults(field, schema), ...itemFaults])
}

function findArrayFaults (field: string, schema: TSchema): string[] {
  const faults = findUnsupported(field, schema, listKeywords)
  if (schema['maxItems'] !== listMaxItems) faults.push(`${field}: maxItems must be ${listMaxItems}`)
  return faults
}

/** Where a field is. The items of a list are required if the list is. */
interface FieldUse {
  isRequired: boolean
  isPath: boolean
}

function findFieldFaults (field: string, schema: TSchema, use: FieldUse): string[] {
  const kind = schema[Kind]
  const keywords = fieldKeywords[kind]
  if (keywords === undefined) return [`${field}: text cannot be converted to ${kind}`]
  const faults = findUnsupported(field, schema, keywords)
  const { type, maxLength, format }: Record<string, unknown> = schema
  if (type !== jsonTypes[kind]) faults.push(`${field}: type must be ${jsonTypes[kind]}`)
  if (kind === 'String') faults.push(...findTextFaults(field, schema, use))
  if (kind === stringEnumKind) faults.push(...findEnumFaults(field, schema))
  if (maxLength !== undefined && maxLength !== textMaxBytes) faults.push(`${field}: maxLength must be ${textMaxBytes}`)
  if (kind === 'Integer' || kind === 'Number') faults.push(...findBoundFaults(field, schema))
  const isKnown = typeof format === 'string' && format in formatMessages && FormatRegistry.Has(format)
  if (format !== undefined && !isKnown) faults.push(`${field}: the format ${String(format)} is unknown`)
  return withExampleFaults(field, schema, faults)
}

/** Returns the faults of a field, or of its examples: they are in the document, so the service must accept them. */
function withExampleFaults (field: string, schema: TSchema, faults: string[]): string[] {
  if (faults.length > 0) return faults
  const keywords: Readonly<Record<string, unknown>> = schema
  const { examples, format, pattern } = keywords
  if (examples === undefined) {
    const isFree = format === undefined && (pattern === undefined || pattern === linePattern)
    return isFree ? [] : [`${field}: a format or a pattern needs an example`]
  }
  const values: readonly unknown[] = Array.isArray(examples) ? examples : [undefined]
  return values.every(value => Value.Check(schema, value)) ? [] : [`${field}: each example must be valid`]
}

/** Texts that validation refuses, so that a pattern that is documented as it is must refuse them too. */
const refusedTexts = ['\0', 'a\0']
const blankTexts = ['', ' ', '\t']
/** Texts that would change the path of a request to Procore, or that the router refuses. */
const refusedInPath = ['.', '..', 'a'.repeat(101), '1'.repeat(101)]

/** Formats whose texts have a maximum length. */
const limitedFormats = ['date', 'iso-8601-range', 'iso-3166-1-alpha-2', 'iso-3166-2-subdivision']

/** A text that is plain is documented with a pattern of its own: see src/endpoints/text-patterns.ts. */
function findTextFaults (field: string, schema: Record<string, unknown>, { isRequired, isPath }: FieldUse): string[] {
  const { pattern, maxLength, format } = schema
  const regExp = typeof pattern === 'string' && pattern !== linePattern ? parsePattern(pattern) : undefined
  if (regExp === null) return [`${field}: the pattern is not a regular expression with the flag u`]
  const accepts = (texts: readonly string[]) => texts.some(text => regExp?.test(text))
  const isLimited = limitedFormats.includes(String(format)) ||
    (regExp !== undefined && !/[*+]|\{\d+,\}/.test(regExp.source))
  const faults: string[] = []
  if (!isLimited && maxLength === undefined) faults.push(`${field}: maxLength must be ${textMaxBytes}`)
  // Without both ends it would accept texts with NUL characters, and longer ones than the service does.
  if (regExp !== undefined && !wholeTextPattern.test(regExp.source)) {
    faults.push(`${field}: the pattern must be for the whole text: ^…$ or ^(?:…|…)$`)
  }
  if (format !== undefined) return faults
  if (accepts(refusedTexts)) faults.push(`${field}: the pattern must refuse NUL characters`)
  if (isRequired && accepts(blankTexts)) faults.push(`${field}: the pattern must refuse a blank text`)
  if (isPath && (regExp === undefined || accepts(refusedInPath))) {
    faults.push(`${field}: a text of a path needs a pattern that refuses ".", ".." and more than 100 characters`)
  }
  return faults
}

/** A pattern that is anchored at both ends, with alternatives in one group only. */
const wholeTextPattern = /^\^(?:[^|]*|\(\?:[^()]*\))\$$/

/** Returns null if the pattern is not valid as JSON Schema reads it. */
function parsePattern (pattern: string): RegExp | null {
  try {
    return new RegExp(pattern, 'u')
  } catch {
    return null
  }
}

/** A blank text would mean that there is no value. */
function findEnumFaults (field: string, { enum: values }: TSchema): string[] {
  const isValid = Array.isArray(values) && values.every(value => typeof value === 'string' && value.trim() !== '')
  return isValid ? [] : [`${field}: enum must have texts that are not blank`]
}

/** A number out of this range would be rounded, and Procore would receive another one. */
function findBoundFaults (field: string, { minimum, maximum }: Record<string, unknown>): string[] {
  const isExact = (bound: unknown) => typeof bound === 'number' && Math.abs(bound) <= maxId
  return isExact(minimum) && isExact(maximum)
    ? []
    : [`${field}: minimum and maximum must be between -(2^53-1) and 2^53-1`]
}

function findUnsupported (name: string, schema: TSchema, keywords: readonly string[]): string[] {
  return Object.keys(schema)
    .filter(keyword => !annotations.includes(keyword) && !keywords.includes(keyword))
    .map(keyword => `${name}: the keyword ${keyword} is not validated`)
}
