/**
 * One mirrored endpoint as Fastify's route schema, from which the OpenAPI document is made: bodies of both media types and every answer.
 * It describes, and judges nothing that a caller sent.
 */
import { Type, type TObject, type TSchema } from '@sinclair/typebox'
import type { FastifySchema } from 'fastify'
import type { Config } from '../config/index.ts'
import type { Endpoint, RecordBody } from '../endpoints/endpoint.ts'
import { recordSchema } from '../endpoints/endpoint.ts'
import { splitParameters } from '../proxy/validation/parameters.ts'
import { requestIdPattern } from '../server/request-id.ts'
import { buildProblemResponses } from './problem-examples.ts'

/** @param url one of the endpoint's paths; under Procore's own the operation has a name of its own, since names stand once in a document */
export function buildOperationSchema (endpoint: Endpoint, url: string, config: Config): FastifySchema {
  const { name, summary, description, params, query, body, success } = endpoint
  const parameters = splitParameters(url, params, query)
  const isOwnPath = url === endpoint.path
  return {
    operationId: isOwnPath ? name : `${name}-procore-path`,
    summary,
    description: isOwnPath ? description : `${description} The same route under Procore's own path.`,
    tags: ['directory'],
    params: parameters.path,
    querystring: parameters.query,
    headers: buildRequestHeaders(endpoint),
    // Without verified callers a token is taken and not looked at.
    security: config.auth.jwt === undefined ? [{ bearer: [] }, {}] : [{ bearer: [] }],
    ...(body !== undefined && { body: { content: buildBodyContent(body, config) } }),
    response: {
      [success.status]: {
        description: success.description,
        headers: { ...(endpoint.procorePath === undefined ? commonHeaders : upstreamHeaders), ...((endpoint.cache !== undefined || endpoint.formMetadata !== undefined) && cacheHeaders), ...(endpoint.formMetadata !== undefined && userFormHeaders), ...(success.isPage === true && paginationHeaders) },
        ...(success.schema === undefined ? noContent : { content: { 'application/json': { schema: success.schema } } }),
      },
      ...(endpoint.formMetadata !== undefined && { 304: { description: 'It is what `If-None-Match` names.', headers: userFormHeaders, ...noContent } }),
      ...buildProblemResponses(endpoint),
    },
  }
}

/** What @fastify/swagger takes for an answer without a body. */
const noContent = { type: 'null' }

/** The key has no example, since whoever tries the same one twice would not create twice. */
const buildRequestHeaders = ({ acceptsIdempotencyKey = false }: Endpoint) => Type.Object({
  ...(acceptsIdempotencyKey && { 'Idempotency-Key': Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: 'Makes the request safe to repeat: for 24 hours the same key with the same request gives the first answer again.' })) }),
  'X-Request-Id': Type.Optional(Type.String({ pattern: requestIdPattern, description: 'The id of the request in answers and logs; a new one is made when there is none or it is not of this pattern.' })),
})

const commonHeaders = {
  'x-request-id': Type.String({ description: 'The id of the request: the caller\'s if it sent a sane one, else a new one.' }),
}

const cacheHeaders = {
  'cache-control': Type.String({ description: '`private`, and how long it may be kept.' }),
  age: Type.Integer({ description: 'How many seconds ago Procore was asked; not there when it was asked just now (RFC 9111 §5.1).' }),
  'x-outcome': Type.String({ description: '`stale` when it is older than usual, because Procore could not be asked, or takes long to answer.' }),
}

const userFormHeaders = {
  etag: Type.String({ description: 'Of these very bytes; with `If-None-Match` they are not sent again (304).' }),
}

const upstreamHeaders = {
  ...commonHeaders,
  'procore-request-id': Type.String({ description: 'Procore\'s own id of the request.' }),
}

const paginationHeaders = {
  link: Type.String({ description: 'The first, previous, next and last page (RFC 8288), by the path that was called.' }),
  total: Type.Integer({ description: 'How many items all pages have together.' }),
  'per-page': Type.Integer({ description: 'How many items a page has.' }),
}

function buildBodyContent (body: RecordBody, { body: bodies }: Config): Record<string, { schema: TSchema }> {
  const json = { schema: recordSchema(body) }
  return { 'application/json': json, 'multipart/form-data': { schema: buildMultipartSchema(body, bodies.avatarMaxBytes) } }
}

/** The same fields under their form names, in any order, and the file. */
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
