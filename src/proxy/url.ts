/** Path and query of a request, judged, and the path and query that Procore is asked with, made from the judged values. */
import { Type, type TObject } from '@sinclair/typebox'
import { listMaxItems } from '../endpoints/fields.ts'
import { Problem } from '../server/problem.ts'
import { RecordValidator } from './validation/record.ts'
import { compileRecord, type CompiledField, type CompiledRecord } from './validation/schema.ts'

type RawParameters = Record<string, unknown>

/** What stands where in the requests of one route. */
export interface CompiledParameters {
  path: CompiledRecord
  query: CompiledRecord
}

/** A parameter that the path does not name stands in the query, before all others. */
export function compileParameters (url: string, params: TObject, query: TObject): CompiledParameters {
  const divided = splitParameters(url, params, query)
  return { path: compileRecord('path', divided.path), query: compileRecord('query', divided.query) }
}

/** What the path of a route names stands in the path, all else in the query. */
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

const getParameterNames = (template: string): string[] => [...template.matchAll(/:(\w+)/g)].map(([, name = '']) => name)

/** A parameter of the path is one text. @throws {Problem} `not_found` for an empty one, which the router takes for a parameter too */
export function validatePath (shape: CompiledRecord, params: RawParameters): RecordValidator {
  const draft = new RecordValidator(shape)
  for (const field of shape.fields.values()) {
    const text = params[field.name]
    if (text === '') throw new Problem('not_found', 'There is no such route.')
    if (typeof text === 'string') draft.setText(field, text, false)
  }
  draft.finalize()
  return draft
}

/** A parameter of the query is a text, or a list of texts when it was given more than once. */
export function validateQuery (shape: CompiledRecord, query: RawParameters): RecordValidator {
  const draft = new RecordValidator(shape)
  for (const [name, text] of Object.entries(query)) {
    const field = shape.fields.get(name)
    if (field === undefined) draft.addUnknownField([name], name)
    else if (field.isList) setList(draft, field, Array.isArray(text) ? text : [text])
    else if (typeof text === 'string') draft.setText(field, text, false)
    else draft.addError(name, { rule: 'duplicate', message: 'must be given once' })
  }
  draft.finalize()
  return draft
}

function setList (draft: RecordValidator, field: CompiledField, texts: readonly unknown[]): void {
  if (texts.length > listMaxItems) return draft.addError(field.name, { rule: 'size', message: `must be given at most ${listMaxItems} times` })
  const values: unknown[] = []
  for (const text of texts) if (draft.setText(field, String(text), false)) values.push(draft.values.get(field.name))
  if (values.length === texts.length) draft.values.set(field.name, values)
}

/** Judged values by name; a list is an array. */
export type ParameterValues = ReadonlyMap<string, unknown>

/** A path with judged values in it; names and values are encoded, whatever they are. */
export type UrlBuilder = (params: ParameterValues, query: ParameterValues) => string

const noNames: readonly string[] = []

/**
 * What the template does not name goes into the query; a parameter may come from either, since the two paths of an endpoint need not agree.
 * @param template such as `/companies/:company_id/users`
 * @param params names of all parameters
 */
export function createUrlBuilder (template: string, params: readonly string[] = noNames): UrlBuilder {
  const [start = '', ...pieces] = template.split(/:(\w+)/)
  const named = new Set(getParameterNames(template))
  const unnamed = params.filter(name => !named.has(name))
  return (values, query) => {
    let path = start
    for (let index = 0; index < pieces.length; index += 2) {
      const name = pieces[index] ?? ''
      path += encodeValue(values.get(name) ?? query.get(name)) + pieces[index + 1]
    }
    if (query.size === 0 && unnamed.length === 0) return path
    const pairs = [
      ...unnamed.flatMap(name => query.has(name) ? [] : toQueryPairs(name, values.get(name))),
      ...[...query].flatMap(([name, value]) => named.has(name) ? [] : toQueryPairs(name, value)),
    ]
    return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
  }
}

function toQueryPairs (name: string, value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.map(one => `${encodeURIComponent(name)}=${encodeValue(one)}`)
}

/** Ids, which most values are, need no encoding. */
function encodeValue (value: unknown): string {
  return Number.isSafeInteger(value) ? String(value) : encodeURIComponent(String(value))
}
