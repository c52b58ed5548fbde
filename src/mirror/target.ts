/** Path and query of a request, judged, and the path and query that Procore is asked with, made from the judged values. */
import { Draft } from './draft.ts'
import type { Shape } from './shape.ts'

type Texts = Record<string, unknown>

/** A parameter of the path is one text. */
export function judgePath (shape: Shape, params: Texts): Draft {
  const draft = new Draft(shape)
  for (const field of shape.fields.values()) {
    const text = params[field.name]
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
    if (field === undefined) draft.refuse([name], name)
    else if (typeof text === 'string') draft.putText(field, text, false)
    else draft.complain(name, { rule: 'duplicate', message: 'must be given once' })
  }
  draft.finish()
  return draft
}

/** Procore's path with the judged values in it; names and values are encoded, whatever they are. */
export type PathTemplate = (path: Draft, query: ReadonlyMap<string, unknown>) => string

/** @param template such as `/companies/:company_id/users` */
export function pathTemplate (template: string): PathTemplate {
  const pieces = template.split(/:(\w+)/)
  return ({ values }, query) => {
    let path = ''
    for (const [index, piece] of pieces.entries()) path += index % 2 === 0 ? piece : encodeURIComponent(String(values.get(piece)))
    return query.size === 0 ? path : `${path}?${[...query].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`).join('&')}`
  }
}
