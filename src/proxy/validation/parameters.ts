/** Validates the path and query parameters of a request. */
import { Type, type TObject } from '@sinclair/typebox'
import { listMaxItems } from '../../endpoints/fields.ts'
import { Problem } from '../../server/problem.ts'
import { getParameterNames } from '../url.ts'
import { RecordValidator } from './record.ts'
import { compileRecord, type CompiledField, type CompiledRecord, type Violation } from './schema.ts'

type RawParameters = Record<string, unknown>

const duplicateParameter: Violation = { rule: 'duplicate', message: 'must be given once' }
const tooManyItems: Violation = { rule: 'size', message: `must be given at most ${listMaxItems} times` }

/** The compiled parameters of one route. */
export interface CompiledParameters {
  path: CompiledRecord
  query: CompiledRecord
}

/** Compiles the parameters of a route. Those that its path does not name precede the others in the query. */
export function compileParameters (url: string, params: TObject, query: TObject): CompiledParameters {
  const split = splitParameters(url, params, query)
  return { path: compileRecord('path', split.path), query: compileRecord('query', split.query) }
}

/** Assigns the parameters that the path of a route names to the path, and all others to the query. */
export function splitParameters (url: string, params: TObject, query: TObject): { path: TObject, query: TObject } {
  const named = getParameterNames(url)
  const parameters = Object.entries(params.properties)
  const inPath = parameters.filter(([name]) => named.includes(name))
  const inQuery = parameters.filter(([name]) => !named.includes(name))
  return {
    path: Type.Object(Object.fromEntries(inPath)),
    query: Type.Object({ ...Object.fromEntries(inQuery), ...query.properties }),
  }
}

/** @throws {Problem} `not_found` for an empty path parameter, which the router accepts */
export function validatePath (compiled: CompiledRecord, params: RawParameters): RecordValidator {
  const validator = new RecordValidator(compiled)
  for (const field of compiled.fields.values()) {
    const text = params[field.name]
    if (text === '') throw new Problem('not_found', 'The route does not exist.')
    if (typeof text === 'string') validator.setText(field, text, false)
  }
  validator.finalize()
  return validator
}

/** jQuery and others add this parameter, so that a response is not taken from a cache. */
const ignoredParameter = '_'

/** Validates a parsed query: a parameter is a text, or a list of texts if it was given more than once. */
export function validateQuery (compiled: CompiledRecord, query: RawParameters): RecordValidator {
  const validator = new RecordValidator(compiled)
  for (const [name, value] of Object.entries(query)) {
    const field = compiled.fields.get(name)
    if (name === ignoredParameter) continue
    if (field === undefined) validator.addUnknownField([name], name)
    else if (field.isList) appendTexts(validator, field, Array.isArray(value) ? value : [value])
    else if (typeof value === 'string') validator.setText(field, value, false)
    else validator.addError(name, duplicateParameter)
  }
  validator.finalize()
  return validator
}

function appendTexts (validator: RecordValidator, field: CompiledField, texts: readonly unknown[]): void {
  if (texts.length > listMaxItems) return validator.addError(field.name, tooManyItems)
  for (const text of texts) validator.appendText(field, String(text))
}

/** Reads the company from the path or the query, depending on the route. */
export function getCompanyId (path: RecordValidator, query: RecordValidator): number {
  const companyId = path.values.get('company_id') ?? query.values.get('company_id')
  if (typeof companyId !== 'number') throw new Error('The request has no company.')
  return companyId
}
