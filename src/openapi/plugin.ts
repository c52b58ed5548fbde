/** Generates the OpenAPI 3.1 documents from the endpoint descriptions and serves them. */
import helmet from '@fastify/helmet'
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config/index.ts'
import { version } from '../config/product.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import { ProblemSchema } from '../server/problem.ts'
import { extractComponents, type OperationTraits } from './components.ts'
import { buildClientOperationSchema, buildOperationSchema } from './operation.ts'
import { buildProblemResponse } from './problem-examples.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Returns the document for code generators. `swagger` returns the complete document. */
    clientOpenapi: FastifyInstance['swagger']
  }
}

const description = 'Creates, finds, updates and invites people in the company directory of Procore, for frontends ' +
  'that have no Procore credentials.\n\n' +
  'Texts have at most 65,536 bytes in UTF-8, which can be fewer characters than `maxLength`, and no unpaired ' +
  'surrogates. ' +
  'With an `Idempotency-Key`, a create is safe to repeat for 24 hours. ' +
  'Every failure is a problem (RFC 9457) with a `code`, and a change that failed has an `outcome`: ' +
  '[all codes and outcomes](/docs/problems).'

/** Documentation tools show `x-displayName`. */
const tags = [
  { name: 'directory', 'x-displayName': 'Directory', description: 'The people in a company\'s Procore directory.' },
  { name: 'operation', 'x-displayName': 'Service', description: 'For operators of the service.' },
]

const openapi: NonNullable<FastifyDynamicSwaggerOptions['openapi']> = {
  openapi: '3.1.0',
  info: {
    title: 'Procore backend for frontends',
    version,
    description,
    license: { name: 'MIT', identifier: 'MIT' },
  },
  tags,
  components: {
    securitySchemes: {
      bearer: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'JWT',
        description: 'The caller\'s own access token. It is required if the service authenticates callers.',
      },
    },
  },
  servers: [{ url: '/' }],
}

/** How a document describes the endpoints. */
interface DocumentOptions {
  decorator: 'swagger' | 'clientOpenapi'
  buildOperation: (endpoint: Endpoint, url: string, config: Config) => FastifySchema
  config: Config
}

/** Must be registered before the routes that the documents describe. */
export const openapiPlugin = fp<{ config: Config }>(async (app, { config }) => {
  app.addSchema({ ...ProblemSchema, $id: 'Problem' })
  await registerDocument(app, { decorator: 'swagger', buildOperation: buildOperationSchema, config })
  await registerDocument(app, { decorator: 'clientOpenapi', buildOperation: buildClientOperationSchema, config })
  await app.register(async pages => {
    await pages.register(helmet)
    serveDocument(pages, '/openapi.json', () => JSON.stringify(app.swagger()), {
      operationId: 'openapi',
      summary: 'This document',
      tags: ['operation'],
      response: { 200: { type: 'object', additionalProperties: true, description: 'The complete document.' } },
    })
    serveDocument(pages, '/openapi.yaml', () => app.swagger({ yaml: true }))
    serveDocument(pages, '/openapi/client.json', () => JSON.stringify(app.clientOpenapi()))
    serveDocument(pages, '/openapi/client.yaml', () => app.clientOpenapi({ yaml: true }))
  })
})

async function registerDocument (
  app: FastifyInstance, { decorator, buildOperation, config }: DocumentOptions
): Promise<void> {
  const endpoints = new Map<string, OperationTraits>()
  await app.register(swagger, {
    decorator,
    refResolver: { buildLocalReference: json => String(json['$id']) },
    openapi,
    transform: ({ schema, url, route }) => {
      const endpoint = route.config?.endpoint
      const operation = endpoint === undefined ? describeOpenRoute(schema) : buildOperation(endpoint, url, config)
      const name = String(operation.operationId)
      endpoints.set(name, endpoint ?? { name, effect: 'safe' })
      return { schema: operation, url }
    },
    transformObject: documentObject => {
      return 'openapiObject' in documentObject ? extractComponents(documentObject.openapiObject, endpoints) : {}
    },
  })
}

/** A route without an endpoint needs no access token, and rejects a request head that is not valid. */
const describeOpenRoute = (schema: FastifySchema): FastifySchema => ({
  ...schema,
  security: [],
  response: { ...Object(schema.response), 400: buildProblemResponse(['bad_request'], { effect: 'safe' }) },
})

function serveDocument (
  pages: FastifyInstance, url: string, serialize: () => string, schema: FastifySchema = { hide: true }
): void {
  const type = url.endsWith('.yaml') ? 'application/yaml' : 'application/json; charset=utf-8'
  let document: Buffer | undefined
  pages.get(url, { schema }, async (_request, reply) => {
    // The document is the same for every caller and serialized once, on the first request. Otherwise a caller that
    // sends a thousand requests and reads no response would make the service hold a thousand copies.
    document ??= Buffer.from(serialize())
    return reply.header('cache-control', 'no-store').type(type).send(document)
  })
}
