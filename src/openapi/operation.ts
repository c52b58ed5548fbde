/**
 * Describes an endpoint as Fastify's route schema, from which @fastify/swagger makes the OpenAPI document: the bodies
 * of both media types and every response. The schema only documents; validation is in src/proxy/validation.
 */
import { Type, type TObject, type TSchema } from '@sinclair/typebox'
import type { FastifySchema } from 'fastify'
import type { Config } from '../config/index.ts'
import type { Endpoint, RecordBody } from '../endpoints/endpoint.ts'
import { acceptsNull, recordSchema } from '../endpoints/endpoint.ts'
import { displayedMediaTypes } from '../proxy/image/signature.ts'
import { splitParameters } from '../proxy/validation/parameters.ts'
import { requestIdPattern } from '../server/request-id.ts'
import { buildProblemResponses } from './problem-examples.ts'

/**
 * @param url one of the endpoint's paths. Under Procore's own path the operation has another id, because ids are unique
 *   in a document.
 */
export function buildOperationSchema (endpoint: Endpoint, url: string, config: Config): FastifySchema {
  const { name, summary, description, params, query, body, success, formMetadata, file } = endpoint
  const parameters = splitParameters(url, params, query)
  const isOwnPath = url === endpoint.path
  return {
    operationId: isOwnPath ? name : `${name}-procore-path`,
    summary,
    description: isOwnPath ? description : `${description} This is the same route under Procore's own path.`,
    tags: ['directory'],
    params: parameters.path,
    querystring: parameters.query,
    headers: buildRequestHeaders(endpoint),
    // If callers are not authenticated, an access token is accepted and ignored.
    security: config.auth.jwt === undefined ? [{ bearer: [] }, {}] : [{ bearer: [] }],
    ...(body !== undefined && { body: { content: buildBodyContent(body, config) } }),
    response: {
      [success.status]: {
        description: success.description,
        headers: buildResponseHeaders(endpoint),
        ...buildSuccessContent(endpoint),
      },
      ...(formMetadata !== undefined && {
        304: { description: 'The form is the one that `If-None-Match` names.', headers: userFormHeaders, ...noContent },
      }),
      ...(file !== undefined && {
        304: { description: 'The file is the one that `If-None-Match` names.', headers: fileHeaders, ...noContent },
      }),
      ...buildProblemResponses(endpoint),
    },
  }
}

function buildSuccessContent ({ success, file }: Endpoint): object {
  if (file !== undefined) {
    // OpenAPI 3.1: the media type says that the content is binary.
    return { content: Object.fromEntries(displayedMediaTypes.map(mediaType => [mediaType, { schema: {} }])) }
  }
  return success.schema === undefined ? noContent : { content: { 'application/json': { schema: success.schema } } }
}

/** How @fastify/swagger marks a response without content. */
const noContent = { type: 'null' }

/** The key has no example: two people who try the same example would not create two users. */
const idempotencyKeyHeader = Type.String({
  minLength: 1,
  maxLength: 255,
  description: 'Makes the request safe to repeat. For 24 hours, the same request with the same key returns the ' +
    'stored first response.',
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

function buildResponseHeaders ({ procorePath, cache, formMetadata, file, success }: Endpoint): Record<string, TSchema> {
  return {
    ...(procorePath === undefined && file === undefined ? commonHeaders : upstreamHeaders),
    ...((cache !== undefined || formMetadata !== undefined) && cacheHeaders),
    ...(formMetadata !== undefined && userFormHeaders),
    ...(file !== undefined && fileHeaders),
    ...(success.isPage === true && paginationHeaders),
  }
}

function buildBodyContent (body: RecordBody, config: Config): Record<string, { schema: TSchema }> {
  return {
    'application/json': { schema: recordSchema({ ...body, fields: addNulls(body) }) },
    'multipart/form-data': { schema: buildMultipartSchema(body, config.body.avatarMaxBytes) },
  }
}

/** Returns the fields with `null` where a JSON body may have it. A form has no `null`. */
function addNulls (body: RecordBody): TObject {
  const properties = Object.entries(body.fields.properties).map(([name, field]) => {
    return [name, acceptsNull(body, name) ? { ...field, type: [field['type'], 'null'] } : field] as const
  })
  return Type.Object(Object.fromEntries(properties))
}

/** Returns the same fields under their multipart names, in any order, and the file. */
function buildMultipartSchema ({ rootKey, fields, image }: RecordBody, imageMaxBytes: number): TObject {
  const properties: Record<string, TSchema> = {}
  for (const [name, field] of Object.entries(fields.properties)) properties[`${rootKey}[${name}]`] = field
  if (image !== undefined) {
    properties[`${rootKey}[${image.name}]`] = Type.Optional(Type.String({
      format: 'binary',
      description: `${image.description} At most ${imageMaxBytes} bytes by default.`,
    }))
  }
  return Type.Object(properties, { additionalProperties: false })
}
