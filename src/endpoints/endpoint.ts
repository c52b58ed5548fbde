/**
 * What a description of an endpoint of Procore's says. Route, validation, upstream request and OpenAPI follow from it.
 */
import { Type, type TArray, type TObject } from '@sinclair/typebox'

/** The values of a record that were found valid, by field name. */
export type FieldValues = ReadonlyMap<string, unknown>

/** A rule between fields. It is asked only with values that are valid by themselves, and says what is wrong or nothing. */
export type FieldDependency = (values: FieldValues) => { field: string, message: string } | undefined

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
  rootKey: string
  fields: TObject
  image?: ImageField
  dependencies: readonly FieldDependency[]
  restricted?: Restriction
}

/** What Procore answers when it did what was asked. */
interface SuccessResponse {
  status: number
  description: string
  /** An object or a bare list; nothing: the answer may be empty. */
  schema?: TObject | TArray
  /** It is one page of a list: `Link`, `Total` and `Per-Page` of Procore's come with it. */
  isPage?: true
}

/** Where a record would stand that was created although the answer was lost. */
export interface LookupSpec {
  /** Procore's lists, looked at in turn; they have the parameters of the endpoint's own path. */
  listPaths: readonly string[]
  /** The field that tells records apart; it is searched for, and must be exactly the same. */
  matchField: string
  /** Where a list shows a field that it does not show under its own name. */
  fieldPaths?: Readonly<Record<string, readonly string[]>>
}

/** One question for items of a list. */
export interface ListQuery {
  list: ProxiedEndpoint
  query: Readonly<Record<string, string>>
}

/** What a form for a record needs. */
export interface FormMetadata {
  body: RecordBody
  /** The lists from which fields are chosen, by name; one may take several questions. */
  lists: Readonly<Record<string, readonly ListQuery[]>>
  /** The only ids that are offered of a list; empty: all. */
  allowedIds: Readonly<Record<string, ReadonlySet<unknown>>>
  /** Where the company says which fields it requires itself, and how that is read; nothing: it can't be told, for that reason. */
  requiredFields: { source: ListQuery, parse: (items: readonly unknown[]) => string[] | undefined, unreadableDetail: string }
  /** What is the same for all companies, as JSON. */
  constants: Readonly<Record<string, unknown>>
}

/** What every description says. */
interface EndpointBase {
  /** Names the operation in scopes, OpenAPI and metrics. */
  name: string
  path: string
  summary: string
  description: string
  params: TObject
  query: TObject
  success: SuccessResponse
}

/**
 * What a request does to Procore's state, from which follows whether it may be sent again when its answer was lost (RFC 9110 §9.2.2).
 * It is said apart from the method, since a PATCH may be either.
 */
export type Effect =
  | {
    effect: 'safe'
    method: 'GET'
    body?: never
    acceptsIdempotencyKey?: never
    lookup?: never
    /** The same for every caller who may have it, and kept for a moment; an answer with people in it never is. */
    cache?: 'pick-list'
  }
  | {
    /** As often as it is carried out, the state is the same. */
    effect: 'idempotent'
    method: 'PATCH'
    body?: RecordBody
    acceptsIdempotencyKey?: never
    lookup?: never
    cache?: never
  }
  | {
    /** Carried out twice it would have been done twice, so nothing but an Idempotency-Key makes a repeat safe. */
    effect: 'once'
    method: 'POST' | 'PATCH'
    body?: RecordBody
    /** Whether an Idempotency-Key is heeded. */
    acceptsIdempotencyKey: boolean
    /** Of a create whose answer was lost. */
    lookup?: LookupSpec
    cache?: never
  }

/** Answered here: it is judged like any other, and nothing is sent. */
type LocalEndpoint = { effect: 'safe', procorePath?: never, lookup?: never, cache?: never } & ({
  method: 'POST'
  body: RecordBody
  /** Whether an Idempotency-Key has to be one; none is used up. */
  acceptsIdempotencyKey: boolean
  /** What is said of a request that is valid. */
  dryRunResponse: unknown
  formMetadata?: never
} | {
  method: 'GET'
  body?: never
  acceptsIdempotencyKey?: never
  dryRunResponse?: never
  formMetadata: FormMetadata
})

/** Of Procore's, or answered here. A parameter that one of the two paths does not name stands in its query. */
export type Endpoint = EndpointBase & ((Effect & { procorePath: string, dryRunResponse?: never, formMetadata?: never }) | LocalEndpoint)

/** One that Procore is asked for. */
export type ProxiedEndpoint = Endpoint & { procorePath: string }

/** Under which it can be called. */
export function getEndpointPaths ({ path, procorePath }: Pick<Endpoint, 'path' | 'procorePath'>): string[] {
  return procorePath === undefined ? [path] : [path, procorePath]
}

/** Without the image, which JSON can't carry. */
export function recordSchema ({ rootKey, fields }: RecordBody): TObject {
  return Type.Object({ [rootKey]: Type.Object(fields.properties, { additionalProperties: false }) }, { additionalProperties: false })
}
