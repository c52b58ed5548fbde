/**
 * Defines how an endpoint is described. Its route, validation, upstream request and OpenAPI operation are derived from
 * it.
 */
import { Type, TypeGuard, type TArray, type TInteger, type TObject, type TSchema } from '@sinclair/typebox'
import { formPartsMax } from './fields.ts'
import { addTextPatterns } from './text-patterns.ts'

/** The valid values of a record, by field name. */
export type FieldValues = ReadonlyMap<string, unknown>

/** A rule between fields. */
export interface FieldDependency {
  /** The fields whose values it reads. */
  fields: readonly string[]
  /** Receives only valid values, and returns an error or undefined. */
  check (values: FieldValues): { field: string, message: string } | undefined
}

/** An image that a multipart form may contain once, beside its fields and other images, in any order. */
export interface ImageField {
  name: string
  description: string
}

/** Fields whose values grant privileges. The service account can assign all of them, callers only some. */
export interface ValueRestriction {
  kind: 'values'
  fields: readonly string[]
  /** Allowed values; empty: any. */
  values: ReadonlySet<unknown>
  code: 'template_not_allowed'
  message: string
}

/** Fields that need a scope of their own, beside that of the endpoint. */
export interface OperationRestriction {
  kind: 'operation'
  fields: readonly string[]
  /** Name of the operation in scopes. */
  operation: string
}

export type Restriction = ValueRestriction | OperationRestriction

/** An existing record that is read before it is changed. It is changed only if its own values are allowed. */
export interface RecordGuard {
  /** Procore's path of the record; it has the parameters of the endpoint's path. */
  procorePath: string
  /** Procore's list that has the record, for a record that Procore does not show by itself (404). */
  listPath?: string
  restriction: ValueRestriction
}

/**
 * The rows of a list are users that Procore creates or updates in a batch. A row may concern a user of the directory by
 * its `id`, `origin_id` or `email_address`, so the users that the rows may concern are checked before anything is sent.
 * The response says what became of each row.
 */
export interface UserSync {
  /** A row is sent only if the values of the users that it may concern are allowed. */
  restriction: ValueRestriction
  /** The scope for changes of these fields of an existing user. */
  loginRestriction: OperationRestriction
  /** The operation whose scope a change of an existing user needs. */
  updateOperation: string
}

/** A row that a response mentions, by the values of the fields that identify it. */
export interface MentionedRow {
  values: readonly unknown[]
  /** Whether Procore carried it out. */
  isDone: boolean
}

/** How the response to a list of records says which of them Procore carried out. The audit line has their numbers. */
export interface RowReport {
  /** The fields that identify a row. */
  fields: readonly string[]
  /** @param response the parsed body, of any shape */
  read (response: unknown): readonly MentionedRow[]
}

/**
 * What `null` means for an optional field of a JSON body. `absent`: the same as no field, because serializers write it
 * for members that are not set. `cleared`: it is sent on, and Procore clears the field. Booleans, lists (an empty list
 * clears them) and the fields of `exceptFields` cannot be cleared.
 */
export type NullMeaning = { kind: 'absent' } | { kind: 'cleared', exceptFields: readonly string[] }

/** The fields of one record, and the rules for them. */
export interface RecordDescription {
  fields: TObject
  /** The default is `absent`. */
  nullMeaning?: NullMeaning
  dependencies: readonly FieldDependency[]
  restrictions?: readonly Restriction[]
}

/** A JSON body `{"<rootKey>": {...}}`, or the multipart fields `<rootKey>[...]`. */
export interface RecordBody extends RecordDescription {
  rootKey: string
  images?: readonly ImageField[]
  record?: never
}

/** A JSON body `{"<rootKey>": [{...}, ...]}`. It has no form. */
export interface RecordListBody {
  rootKey: string
  /** Most records in one request. An empty list is refused. */
  maxItems: number
  record: RecordDescription
  /** The records that have `idField`, if they are described differently. That field is required in them. */
  existing?: { idField: string, record: RecordDescription }
  images?: never
}

export type Body = RecordBody | RecordListBody

/** Response to a successful request. */
interface SuccessResponse {
  status: number
  description: string
  /** Schema of an object or an array; undefined: the response may be empty. */
  schema?: TObject | TArray
  /** Other successes of Procore's, which are relayed as well. */
  others?: ReadonlyArray<Pick<SuccessResponse, 'status' | 'description' | 'schema'>>
  /** The response is one page of a list, with Procore's `Link`, `Total` and `Per-Page` headers. */
  isPage?: true
}

/** How to find a record that was created although the response was lost, or because of which a create was rejected. */
export interface LookupSpec {
  /** Procore's lists, searched in this order. */
  lists: readonly LookupList[]
  /** The operation that shows a record. A caller without its scope gets only what it sent. */
  showOperation: string
  /** The field that identifies a record. It is the search term, and its whole value must match. */
  matchField: string
  /**
   * The id of the record in the system of origin. Procore keeps it unique within a company, and the lists can be
   * filtered by it (`filters[<name>]`). If it was sent, it is searched by first.
   */
  originField?: string
  /** Paths of fields that a list returns under another name. */
  fieldPaths?: Readonly<Record<string, readonly string[]>>
}

/** One of Procore's lists of records. */
interface LookupList {
  /** It has the parameters of the endpoint's path. */
  path: string
  /** Whether its records are active. A list need not show that of each record. */
  isActive: boolean
}

/** A query for items of a list. */
export interface ListQuery {
  list: ProxiedEndpoint
  query: Readonly<Record<string, string>>
}

/** A file whose URL is in a field of a record. The record is read first, then the file is streamed to the caller. */
export interface RecordFile {
  /** Shows the record. Callers need its scope, and it has the parameters of the endpoint's path. */
  record: ProxiedEndpoint
  field: string
}

/** A file whose rows are records, which another endpoint creates and updates in batches. */
export interface RecordImport {
  /** Each row is one of its records. */
  batch: ProxiedEndpoint & { sync: UserSync, body: RecordListBody & Required<Pick<RecordListBody, 'existing'>> }
  /** How a row is compared with records that exist, or that were created although a response was lost. */
  lookup: LookupSpec
}

/** Describes the data that a user interface needs to create a record. */
export interface FormMetadata {
  body: RecordBody
  /** Queries for the lists of allowed values, by name. A list may need several queries. */
  lists: Readonly<Record<string, readonly ListQuery[]>>
  /** Ids that are offered from each list; empty: all. */
  allowedIds: Readonly<Record<string, ReadonlySet<unknown>>>
  /** Source of the fields that the company requires. If `parse` returns undefined, `unreadableDetail` is reported. */
  requiredFields: {
    source: ListQuery
    parse: (items: readonly unknown[]) => string[] | undefined
    unreadableDetail: string
  }
  /** Builds JSON values that are the same for all companies. They are large, and only their text is stored. */
  buildConstants: () => Readonly<Record<string, unknown>>
}

/**
 * Parameters of both paths of an endpoint. A path that does not name one of them has it in its query. `company_id` is
 * the company that callers are authorized for, and it is sent as `Procore-Company-Id`. Only a list of companies has
 * none.
 */
type EndpointParams = TObject & { properties: { company_id?: TInteger } }

/** Properties of every endpoint. */
interface EndpointBase {
  /** Name of the operation in scopes, OpenAPI and metrics. */
  name: string
  /** Other operations whose scopes a caller needs as well. */
  additionalOperations?: readonly string[]
  path: string
  summary: string
  description: string
  params: EndpointParams
  query: TObject
  success: SuccessResponse
}

/**
 * Effect of a request on Procore's state. It determines whether a request may be repeated when its response was lost
 * (RFC 9110 §9.2.2). It is separate from the method, because a PATCH may be idempotent or not.
 */
export type Effect =
  | {
    effect: 'safe'
    method: 'GET'
    body?: never
    acceptsIdempotencyKey?: never
    lookup?: never
    guard?: never
    sync?: never
    rowReport?: never
    /** The response is the same for every authorized caller and may be cached. Never set it for personal data. */
    cache?: 'pick-list'
    /** The response contains personal data, so each read is written to the audit trail. */
    readsPeople?: true
    /**
     * The response is a list of companies, and the request is about none. Callers get only the companies that they may
     * access.
     */
    companies?: 'filtered'
  }
  | {
    /** Repeating the request leaves the same state. */
    effect: 'idempotent'
    method: 'PUT' | 'PATCH' | 'DELETE'
    body?: Body
    acceptsIdempotencyKey?: never
    lookup?: never
    guard?: RecordGuard
    sync?: never
    rowReport?: never
    cache?: never
    readsPeople?: never
    companies?: never
  }
  | {
    /** Each request has an effect of its own, so only an Idempotency-Key makes a repeat safe. */
    effect: 'once'
    method: 'POST' | 'PATCH' | 'DELETE'
    body?: Body
    /** Whether the endpoint supports an Idempotency-Key. */
    acceptsIdempotencyKey: boolean
    /** How to find the record of a create whose response was lost. */
    lookup?: LookupSpec
    /** The existing record that the request is about. */
    guard?: RecordGuard
    /** The body is a list of users, of which some may exist. */
    sync?: UserSync
    /** The response mentions the rows of the body. */
    rowReport?: RowReport
    cache?: never
    readsPeople?: never
    companies?: never
  }

/** What an endpoint without a path of Procore's does not have. */
interface LocalEffect {
  effect: 'safe'
  procorePath?: never
  lookup?: never
  guard?: never
  sync?: never
  rowReport?: never
  cache?: never
  readsPeople?: never
  companies?: never
  import?: never
}

/** An endpoint that imports a file, which is sent to Procore by the requests of another endpoint. */
interface ImportEffect {
  method: 'POST'
  effect: 'once'
  acceptsIdempotencyKey: true
  import: RecordImport
  procorePath?: never
  body?: never
  lookup?: never
  guard?: never
  sync?: never
  rowReport?: never
  cache?: never
  readsPeople?: never
  dryRunResponse?: never
  formMetadata?: never
  companies?: never
  file?: never
}

/** An endpoint that is not proxied: this service builds its response. */
type LocalEndpoint = LocalEffect & ({
  method: 'POST'
  body: Body
  /** Whether an Idempotency-Key is validated. It is not stored. */
  acceptsIdempotencyKey: boolean
  /** Response to a valid request. */
  dryRunResponse: unknown
  formMetadata?: never
  file?: never
} | {
  method: 'GET'
  body?: never
  acceptsIdempotencyKey?: never
  dryRunResponse?: never
  formMetadata: FormMetadata
  file?: never
} | {
  method: 'GET'
  body?: never
  acceptsIdempotencyKey?: never
  dryRunResponse?: never
  formMetadata?: never
  file: RecordFile
})

/**
 * An endpoint that is proxied to Procore or answered by this service. A parameter that one of its two paths does not
 * name is in the query of that path.
 */
export type Endpoint = EndpointBase & (
  | (Effect & { procorePath: string, dryRunResponse?: never, formMetadata?: never, file?: never, import?: never })
  | LocalEndpoint
  | ImportEffect
)

/** An endpoint that is proxied to Procore. */
export type ProxiedEndpoint = Endpoint & { procorePath: string }

/** Returns the operations whose scopes callers need. A file has the scopes of its record. */
export function getScopeOperations ({ name, additionalOperations = [], file }: Endpoint): string[] {
  return file === undefined ? [name, ...additionalOperations] : getScopeOperations(file.record)
}

/** Returns the schema of a record in another one, or of the records in its list; undefined for any other field. */
export function getNestedRecord (field: TSchema): TObject | undefined {
  const schema = TypeGuard.IsArray(field) ? field.items : field
  return TypeGuard.IsObject(schema) ? schema : undefined
}

/** Describes a record in another one, in which null means the same. Rules between fields and restrictions have none. */
export function describeNested (fields: TObject, { nullMeaning }: RecordDescription): RecordDescription {
  const isCleared = nullMeaning?.kind === 'cleared'
  return { fields, dependencies: [], ...(isCleared && { nullMeaning: { kind: 'cleared', exceptFields: [] } }) }
}

/** Whether a body may also be sent as a form, which has no records in records, and a limited number of parts. */
export function hasForm (body: Body | undefined): boolean {
  if (body === undefined || body.record !== undefined) return false
  const { fields: { properties }, images = [] } = body
  if (Object.keys(properties).length + images.length > formPartsMax) return false
  return Object.values(properties).every(field => getNestedRecord(field) === undefined)
}

/** Returns the descriptions of all records that a body may contain. */
export function getRecords (body: Body): RecordDescription[] {
  if (body.record === undefined) return [body]
  return body.existing === undefined ? [body.record] : [body.record, body.existing.record]
}

/**
 * Returns the path for multipart bodies only. A path of an OpenAPI document has one operation for a method, and code
 * generators support one media type for an operation, so a form needs a path of its own.
 */
export const getMultipartPath = ({ path, body }: Pick<Endpoint, 'path' | 'body'>): string | undefined =>
  hasForm(body) ? `${path}/multipart` : undefined

/** Returns the paths at which an endpoint can be called. */
export function getEndpointPaths (endpoint: Pick<Endpoint, 'path' | 'procorePath' | 'body'>): string[] {
  return [endpoint.path, endpoint.procorePath, getMultipartPath(endpoint)].filter(path => path !== undefined)
}

/** Whether a JSON body may have `null` for a field. */
export function acceptsNull ({ nullMeaning, fields }: RecordDescription, name: string): boolean {
  const field = fields.properties[name]
  if (field === undefined || !TypeGuard.IsOptional(field)) return false
  if (nullMeaning === undefined || nullMeaning.kind === 'absent') return true
  return !TypeGuard.IsBoolean(field) && !TypeGuard.IsArray(field) && !nullMeaning.exceptFields.includes(name)
}

/**
 * Returns the name of a field in a form, as Rails reads it: each item of a list has a part `<rootKey>[<name>][]`.
 * @param path leads to the field from the root of the document
 */
export function getFormName ([root = '', ...steps]: readonly string[], isList: boolean): string {
  return `${root}${steps.map(step => `[${step}]`).join('')}${isList ? '[]' : ''}`
}

/** Returns the schema of a record in JSON, without images, which JSON cannot contain. */
export function recordSchema (fields: TObject): TObject {
  const { properties } = addTextPatterns(fields)
  const members = Object.entries(properties).map(([name, field]) => [name, nestedSchema(field)] as const)
  return Type.Object(Object.fromEntries(members), { additionalProperties: false })
}

function nestedSchema (field: TSchema): TSchema {
  if (TypeGuard.IsArray(field)) return { ...field, items: nestedSchema(field.items) }
  return TypeGuard.IsObject(field) ? { ...field, ...recordSchema(field) } : field
}

/** Returns the schema of a JSON body whose one member has the schema. */
export function rootSchema (rootKey: string, schema: TSchema): TObject {
  return Type.Object({ [rootKey]: schema }, { additionalProperties: false })
}
