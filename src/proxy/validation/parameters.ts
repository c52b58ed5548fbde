/** Validates the path and query parameters of a request. */
import { Type, type TObject } from '@sinclair/typebox'
import { listMaxItems } from '../../endpoints/fields.ts'
import { Problem } from '../../server/problem.ts'
import { getParameterNames } from '../url.ts'
import { RecordValidator } from './record.ts'
import { compileRecord, type CompiledField, type CompiledRecord } from './schema.ts'

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

/** A parameter of the path is one text. @throws {Problem} `not_found` for an empty one, which the router takes for a parameter too */
export function validatePath (shape: CompiledRecord, params: RawParameters): RecordValidator {
  const draft = new RecordValidator(shape)
  for (const field of shape.fields.values()) {
    const text = params[field.name]
    if (text === '') throw new Problem('not_found', 'The route does not exist.')
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
