/**
 * Describes an endpoint as Fastify's route schema, from which @fastify/swagger makes the OpenAPI documents: the bodies
 * of both media types and every response. The schema only documents; validation is in src/proxy/validation.
 */
import { Type, TypeGuard, type TObject, type TSchema } from '@sinclair/typebox'
import type { FastifySchema } from 'fastify'
import type { Config } from '../config/index.ts'
import type { Body, Endpoint, RecordBody, RecordDescription, RecordListBody } from '../endpoints/endpoint.ts'
import {
  acceptsNull, describeNested, getFormName, getMultipartPath, getRecords, hasForm, recordSchema, rootSchema,
} from '../endpoints/endpoint.ts'
import { formPartsMax } from '../endpoints/fields.ts'
import { addTextPatterns } from '../endpoints/text-patterns.ts'
import { idempotencyKeyPattern } from '../proxy/idempotency/header.ts'
import { displayedMediaTypes } from '../proxy/image/signature.ts'
import { splitParameters } from '../proxy/validation/parameters.ts'
import { requestIdPattern } from '../server/request-id.ts'
import { buildExample, buildRecordExample } from './examples.ts'
import { buildProblemResponse, buildProblemResponses } from './problem-examples.ts'

/**
 * Describes an operation of the complete document.
 * @param url one of the endpoint's paths. Under Procore's own path the operation has another id, because ids are unique
 *   in a document.
 */
export function buildOperationSchema (endpoint: Endpoint, url: string, config: Config): FastifySchema {
  const { name, summary, description, body } = endpoint
  const isOwnPath = url === endpoint.path
  return {
    operationId: isOwnPath ? name : `${name}-procore-path`,
    summary,
    description: isOwnPath ? description : `${description} This is the same route under Procore's own path.`,
    ...buildRequestSchema(endpoint, url, config),
    ...(body !== undefined && { body: { content: buildBodyContent(body, config) } }),
    ...(endpoint.import !== undefined && { body: { content: buildFileBodyContent() } }),
    response: {
      ...buildSuccessResponse(endpoint, buildFileContent(displayedMediaTypes)),
      ...buildNotModifiedResponse(endpoint),
      ...buildProblemResponses(endpoint),
    },
    // The complete document has both media types under the endpoint's own path.
    ...(url === getMultipartPath(endpoint) && { hide: true }),
  }
}

/**
 * Describes an operation of the document for code generators: one media type for a body, a name that is valid for a
 * method, and `default` instead of a range of statuses. The operations under Procore's own paths are hidden.
 */
export function buildClientOperationSchema (endpoint: Endpoint, url: string, config: Config): FastifySchema {
  const { name, summary, description, body, procorePath } = endpoint
  const isMultipart = url === getMultipartPath(endpoint)
  const mediaType = isMultipart ? 'multipart/form-data' : 'application/json'
  const { '4XX': otherProblem = buildProblemResponse(['internal'], endpoint), ...problems } =
    buildProblemResponses(endpoint)
  const procoreNote = procorePath === undefined ? '' : ` Procore's own path is \`${toTemplate(procorePath)}\`.`
  return {
    operationId: `${toCamelCase(name)}${isMultipart ? 'Multipart' : ''}`,
    summary: isMultipart ? `${summary} (multipart form)` : summary,
    description: `${description}${procoreNote}`,
    ...buildRequestSchema(endpoint, url, config),
    ...(body !== undefined && { body: { content: { [mediaType]: buildBodyContent(body, config)[mediaType] } } }),
    ...(endpoint.import !== undefined && { body: { content: pickCsv(buildFileBodyContent()) } }),
    response: {
      ...buildSuccessResponse(endpoint, buildFileContent(['image/*'])),
      ...problems,
      default: otherProblem,
    },
    ...(url === procorePath && { hide: true }),
  }
}

/** Returns a route's path as OpenAPI writes it. */
const toTemplate = (path: string) => path.replace(/:(\w+)/g, '{$1}')

const toCamelCase = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Describes everything that the operations of both documents have in common, except for the body. */
function buildRequestSchema (endpoint: Endpoint, url: string, config: Config): FastifySchema {
  const parameters = splitParameters(url, endpoint.params, endpoint.query)
  return {
    tags: ['directory'],
    params: addTextPatterns(parameters.path),
    querystring: addTextPatterns(parameters.query),
    headers: buildRequestHeaders(endpoint),
    // If callers are not authenticated, an access token is accepted and ignored.
    security: config.auth.jwt === undefined ? [{ bearer: [] }, {}] : [{ bearer: [] }],
  }
}

function buildSuccessResponse (endpoint: Endpoint, fileContent: object): Record<number, object> {
  const { success, file } = endpoint
  const headers = buildResponseHeaders(endpoint)
  if (endpoint.import !== undefined) {
    return { [success.status]: { description: success.description, headers, content: importLinesContent } }
  }
  const responses = [success, ...success.others ?? []].map(({ status, description, schema }) => {
    const jsonContent = schema === undefined
      ? noContent
      : { content: { 'application/json': { schema, example: buildExample(schema) } } }
    return [status, { description, headers, ...file === undefined ? jsonContent : fileContent }] as const
  })
  return Object.fromEntries(responses)
}

function buildNotModifiedResponse ({ formMetadata, file }: Endpoint): Record<number, object> {
  if (formMetadata !== undefined) {
    const description = 'The form is the one that `If-None-Match` names.'
    return { 304: { description, headers: userFormHeaders, ...noContent } }
  }
  if (file !== undefined) {
    const description = 'The file is the one that `If-None-Match` names.'
    return { 304: { description, headers: fileHeaders, ...noContent } }
  }
  return {}
}

const buildFileContent = (mediaTypes: readonly string[]) => ({
  content: Object.fromEntries(mediaTypes.map(mediaType => [mediaType, { schema: binarySchema }])),
})

/**
 * OpenAPI 3.1 describes binary content with `contentMediaType`. Code generators read the `format` of OpenAPI 3.0, which
 * 3.1 ignores.
 */
const binarySchema = { type: 'string', format: 'binary', contentMediaType: 'application/octet-stream' }

/** How @fastify/swagger marks a response without content. */
const noContent = { type: 'null' }

/** The key has no example: two people who try the same example would not create two users. */
const idempotencyKeyHeader = Type.String({
  pattern: idempotencyKeyPattern,
  description: 'Up to 255 visible characters, bare or in quotes. Makes the request safe to repeat. For 24 hours, the ' +
    'same request with the same key returns the stored first response.',
})

const requestIdHeader = Type.String({
  pattern: requestIdPattern,
  description: 'The id of the request in responses and logs. The service creates a new id if the header is absent or ' +
    'does not match this pattern.',
})

const buildRequestHeaders = ({ acceptsIdempotencyKey = false }: Endpoint) => Type.Object({
  ...(acceptsIdempotencyKey && { 'Idempotency-Key': Type.Optional(idempotencyKeyHeader) }),
  'X-Request-Id': Type.Optional(requestIdHeader),
})

const commonHeaders = {
  'x-request-id': Type.String({
    description: 'The id of the request: the `X-Request-Id` of the caller if it is valid, else a new id.',
  }),
}

const cacheHeaders = {
  'cache-control': Type.String({ description: '`private`, and how long the response may be cached.' }),
  age: Type.Integer({
    description: 'How many seconds ago Procore sent the data (RFC 9111 §5.1). Absent if it was requested just now.',
  }),
  'x-outcome': Type.String({
    description: '`stale` if the data is older than usual, because Procore is down, slow or rate limited.',
  }),
}

const userFormHeaders = {
  etag: Type.String({
    description: 'Identifies exactly these bytes. With `If-None-Match` they are not sent again (304).',
  }),
}

const fileHeaders = {
  'cache-control': cacheHeaders['cache-control'],
  etag: Type.String({
    description: 'Identifies the content. With `If-None-Match` it is not sent again (304).',
  }),
  'content-disposition': Type.String({ description: '`inline`, and a name with the extension of the detected type.' }),
}

const upstreamHeaders = {
  ...commonHeaders,
  'procore-request-id': Type.String({ description: 'Procore\'s own id of the request.' }),
}

const paginationHeaders = {
  link: Type.String({
    description: 'The first, previous, next and last page (RFC 8288), relative to the URL that was requested.',
  }),
  total: Type.Integer({ description: 'The number of items on all pages together.' }),
  'per-page': Type.Integer({ description: 'The number of items on a page.' }),
}

function buildResponseHeaders (
  { procorePath, cache, formMetadata, file, success }: Endpoint
): Record<string, TSchema> {
  return {
    ...(procorePath === undefined && file === undefined ? commonHeaders : upstreamHeaders),
    ...((cache !== undefined || formMetadata !== undefined) && cacheHeaders),
    ...(formMetadata !== undefined && userFormHeaders),
    ...(file !== undefined && fileHeaders),
    ...(success.isPage === true && paginationHeaders),
  }
}

const textSchema = (description: string, example: string) => Type.String({ description, examples: [example] })

/** A file to import, by itself or as the only part of a form. */
const buildFileBodyContent = () => ({
  'text/csv': {
    schema: textSchema(
      'A header with the names of fields, and a row for each user.',
      'last_name,email_address\nDoe,jane.doe@example.com\n'
    ),
  },
  'application/x-ndjson': {
    schema: textSchema(
      'A JSON object in each line.', '{"last_name":"Doe","email_address":"jane.doe@example.com"}\n'
    ),
  },
  'multipart/form-data': {
    schema: Type.Object({
      file: Type.String({ ...binarySchema, description: 'The CSV or NDJSON file. The part may have any name.' }),
    }),
  },
})

/** Code generators support one media type for a body. */
const pickCsv = (content: ReturnType<typeof buildFileBodyContent>) => ({ 'text/csv': content['text/csv'] })

const importLinesExample = '{"row":1,"status":"created","id":381006}\n{"totals":{"rows":1,"created":1,"updated":0,' +
  '"invalid":0,"rejected":0,"unknown":0,"not_sent":0,"unchanged":0}}\n'

const importLinesContent = {
  'application/x-ndjson': {
    example: importLinesExample,
    schema: textSchema(
      'Each line is a JSON object: the result of a row (`row`, `status`, and where they apply `id`, `errors`, `code` ' +
        'and `detail`), or the `progress`. The last one has the `totals`, and the `problem` if the import ended early.',
      importLinesExample
    ),
  },
}

interface BodyContent {
  'application/json': { schema: TSchema }
  'multipart/form-data'?: { schema: TSchema }
}

/** The examples of a body become those of its media type. */
function buildBodyContent (body: Body, config: Config): BodyContent {
  if (body.record !== undefined) return { 'application/json': { schema: buildListSchema(body) } }
  const { rootKey } = body
  const example = buildRecordExample(body)
  const schema = addImageNulls(buildRecordSchema(body), body)
  const json = { schema: { ...rootSchema(rootKey, schema), examples: [{ [rootKey]: example }] } }
  if (!hasForm(body)) return { 'application/json': json }
  const multipartExample = Object.fromEntries(
    Object.entries(example).map(([name, value]) => [getFormName([rootKey, name], Array.isArray(value)), value])
  )
  return {
    'application/json': json,
    'multipart/form-data': {
      schema: { ...buildMultipartSchema(body, config.body.avatarMaxBytes), examples: [multipartExample] },
    },
  }
}

function buildListSchema (body: RecordListBody): TSchema {
  const { rootKey, maxItems } = body
  const records = getRecords(body)
  const [record = Type.Object({}), ...existing] = records.map(buildRecordSchema)
  const items = existing.length === 0 ? record : Type.Union([record, ...existing])
  const list = Type.Array(items, { minItems: 1, maxItems })
  return { ...rootSchema(rootKey, list), examples: [{ [rootKey]: records.map(buildRecordExample) }] }
}

const buildRecordSchema = (description: RecordDescription) => addNulls(recordSchema(description.fields), description)

/** Returns the schema with `null` where a JSON body may have it, at any depth. A form has no `null`. */
function addNulls (schema: TObject, description: RecordDescription): TObject {
  const properties = Object.entries(schema.properties).map(([name, field]) => {
    const nested = addNestedNulls(field, description)
    return [name, acceptsNull(description, name) ? addNull(nested) : nested] as const
  })
  return { ...schema, properties: Object.fromEntries(properties) }
}

/** JSON has no images, but may have `null` for an image where that means that there is no value. */
function addImageNulls (schema: TObject, { images = [], nullMeaning }: RecordBody): TObject {
  if (nullMeaning?.kind === 'cleared') return schema
  const description = 'An image needs a form. `null` means that there is none.'
  const nulls = images.map(({ name }) => [name, Type.Optional(Type.Null({ description }))] as const)
  return Type.Object({ ...schema.properties, ...Object.fromEntries(nulls) }, { additionalProperties: false })
}

function addNestedNulls (field: TSchema, parent: RecordDescription): TSchema {
  if (TypeGuard.IsArray(field)) return { ...field, items: addNestedNulls(field.items, parent) }
  return TypeGuard.IsObject(field) ? addNulls(field, describeNested(field, parent)) : field
}

function addNull (field: TSchema): TSchema {
  const values: unknown = field['enum']
  const nullableEnum = Array.isArray(values) ? { enum: values.concat(null) } : {}
  return { ...field, type: [field['type'], 'null'], ...nullableEnum }
}

/** Each item is a part of the form. */
function limitItems (list: TSchema): TSchema {
  const note = `A form has at most ${formPartsMax} parts, of which each item is one.`
  const description = list.description === undefined ? note : `${list.description} ${note}`
  return { ...list, maxItems: formPartsMax, description }
}

/** Returns the same fields under their multipart names, in any order, and the images. */
function buildMultipartSchema ({ rootKey, fields, images = [] }: RecordBody, imageMaxBytes: number): TObject {
  const properties: Record<string, TSchema> = {}
  for (const [name, field] of Object.entries(addTextPatterns(fields).properties)) {
    const isList = TypeGuard.IsArray(field)
    properties[getFormName([rootKey, name], isList)] = isList ? limitItems(field) : field
  }
  for (const { name, description } of images) {
    properties[getFormName([rootKey, name], false)] = Type.Optional(Type.String({
      ...binarySchema,
      description: `${description} At most ${imageMaxBytes} bytes by default.`,
    }))
  }
  return Type.Object(properties, { additionalProperties: false })
}
