/** Path and query of a request, judged, and the path and query that Procore is asked with, made from the judged values. */
import { Type, type TObject } from '@sinclair/typebox'
import { listMaxItems } from '../endpoints/fields.ts'
import { Problem } from '../server/problem.ts'
import { Draft } from './validation/record.ts'
import { compileShape, type FieldShape, type Shape } from './validation/schema.ts'

type Texts = Record<string, unknown>

/** What stands where in the requests of one route. */
export interface TargetShapes {
  path: Shape
  query: Shape
}

/** A parameter that the path does not name stands in the query, before all others. */
export function compileTarget (url: string, params: TObject, query: TObject): TargetShapes {
  const divided = divideParameters(url, params, query)
  return { path: compileShape('path', divided.path), query: compileShape('query', divided.query) }
}

/** What the path of a route names stands in the path, all else in the query. */
export function divideParameters (url: string, params: TObject, query: TObject): { path: TObject, query: TObject } {
  const named = namesIn(url)
  const parameters = Object.entries(params.properties)
  const inPath = parameters.filter(([name]) => named.includes(name))
  const inQuery = parameters.filter(([name]) => !named.includes(name))
  return {
    path: Type.Object(Object.fromEntries(inPath)),
    query: Type.Object({ ...Object.fromEntries(inQuery), ...query.properties }),
  }
}

const namesIn = (template: string): string[] => [...template.matchAll(/:(\w+)/g)].map(([, name = '']) => name)

/** A parameter of the path is one text. @throws {Problem} `not_found` for an empty one, which the router takes for a parameter too */
export function judgePath (shape: Shape, params: Texts): Draft {
  const draft = new Draft(shape)
  for (const field of shape.fields.values()) {
    const text = params[field.name]
    if (text === '') throw new Problem('not_found', 'There is no such route.')
    if (typeof text === 'string') draft.putText(field, text, false)
  }
  draft.finish()
  return draft
}

/** A parameter of the query is a text, or a list of texts when it was given more than once. */
export function judgeQuery (shape: Shape, query: Texts): Draft {
  const draft = new Draft(shape)
  for (const [name, text] of Object.entries(query)) {
    const field = shape.fields.get(name)
    if (field === undefined) draft.noteUnknown([name], name)
    else if (field.isList) putList(draft, field, Array.isArray(text) ? text : [text])
    else if (typeof text === 'string') draft.putText(field, text, false)
    else draft.complain(name, { rule: 'duplicate', message: 'must be given once' })
  }
  draft.finish()
  return draft
}

function putList (draft: Draft, field: FieldShape, texts: readonly unknown[]): void {
  if (texts.length > listMaxItems) return draft.complain(field.name, { rule: 'size', message: `must be given at most ${listMaxItems} times` })
  const values: unknown[] = []
  for (const text of texts) if (draft.putText(field, String(text), false)) values.push(draft.values.get(field.name))
  if (values.length === texts.length) draft.values.set(field.name, values)
}

/** Judged values by name; a list is an array. */
export type Parameters = ReadonlyMap<string, unknown>

/** A path with judged values in it; names and values are encoded, whatever they are. */
export type PathTemplate = (params: Parameters, query: Parameters) => string

const nothing: readonly string[] = []

/**
 * What the template does not name goes into the query; a parameter may come from either, since the two paths of an endpoint need not agree.
 * @param template such as `/companies/:company_id/users`
 * @param params names of all parameters
 */
export function pathTemplate (template: string, params: readonly string[] = nothing): PathTemplate {
  const [start = '', ...pieces] = template.split(/:(\w+)/)
  const named = new Set(namesIn(template))
  const unnamed = params.filter(name => !named.has(name))
  return (values, query) => {
    let path = start
    for (let index = 0; index < pieces.length; index += 2) {
      const name = pieces[index] ?? ''
      path += encodeText(values.get(name) ?? query.get(name)) + pieces[index + 1]
    }
    if (query.size === 0 && unnamed.length === 0) return path
    const pairs = [
      ...unnamed.flatMap(name => query.has(name) ? [] : pairsOf(name, values.get(name))),
      ...[...query].flatMap(([name, value]) => named.has(name) ? [] : pairsOf(name, value)),
    ]
    return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
  }
}

function pairsOf (name: string, value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.map(one => `${encodeURIComponent(name)}=${encodeText(one)}`)
}

/** Ids, which most values are, need no encoding. */
function encodeText (value: unknown): string {
  return Number.isSafeInteger(value) ? String(value) : encodeURIComponent(String(value))
}
