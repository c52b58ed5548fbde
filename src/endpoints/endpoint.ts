/**
 * What a description of an endpoint of Procore's says. Route, validation, upstream request and OpenAPI follow from it.
 */
import type { TObject } from '@sinclair/typebox'

/** The values of a record that were found valid, by field name. */
export type Values = ReadonlyMap<string, unknown>

/** A rule between fields. It is asked only with values that are valid by themselves, and says what is wrong or nothing. */
export type Dependency = (values: Values) => { field: string, message: string } | undefined

/** A file that a form may carry beside its fields, once. */
export interface ImageField {
  name: string
  description: string
}

/** Fields whose values give privileges: the service account may give them all, its callers only some. */
export interface Restriction {
  fields: readonly string[]
  /** The values that are allowed; empty: any. */
  values: ReadonlySet<unknown>
  code: 'template_not_allowed'
  message: string
}

/** A body `{"<key>": {...}}`, or the form fields `<key>[...]`. */
export interface RecordBody {
  key: string
  fields: TObject
  image?: ImageField
  dependencies: readonly Dependency[]
  restricted?: Restriction
}

/** What Procore answers when it did what was asked. */
export interface SuccessAnswer {
  status: number
  description: string
  schema: TObject
}

/** Where a record would stand that was created although the answer was lost. */
export interface LookUp {
  /** Procore's lists, looked at in turn; they have the parameters of the endpoint's own path. */
  lists: readonly string[]
  /** The field that tells records apart; it is searched for, and must be exactly the same. */
  by: string
  /** Where a list shows a field that it does not show under its own name. */
  shownAt?: Readonly<Record<string, readonly string[]>>
}

export interface Endpoint {
  /** Names the operation in scopes, OpenAPI and metrics. */
  name: string
  method: 'POST'
  /** Our path and Procore's own; both have the same parameters. */
  path: string
  procorePath: string
  summary: string
  description: string
  params: TObject
  query: TObject
  body: RecordBody
  success: SuccessAnswer
  lookUp?: LookUp
}
