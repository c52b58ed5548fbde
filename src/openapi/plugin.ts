/** The OpenAPI 3.1 document, made from the descriptions of the endpoints, and the route that serves it. */
import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/index.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import { ProblemSchema } from '../server/problem.ts'
import { version } from '../config/product.ts'
import { extractComponents } from './components.ts'
import { buildOperationSchema } from './operation.ts'

/** Has to come before the routes that the document is to hold. It is the same for everybody, and made when it is first asked for. */
export async function registerOpenapi (app: FastifyInstance, config: Config): Promise<void> {
  const endpoints = new Map<string, Endpoint>()
  app.addSchema({ ...ProblemSchema, $id: 'Problem' })
  await app.register(swagger, {
    refResolver: { buildLocalReference: json => String(json['$id']) },
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Procore backend for frontends',
        version,
        description: 'Creates, finds, changes and invites people in the company directory of Procore for frontends that hold no Procore credentials.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'directory', description: 'The people in a company\'s directory, as Procore has them.' },
        { name: 'operation', description: 'For those who run the service.' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The caller\'s own token; it is needed where callers are verified.' },
        },
      },
      servers: [{ url: '/' }],
    },
    transform: ({ schema, url, route }) => {
      const endpoint = route.config?.endpoint
      if (endpoint === undefined) return { schema, url }
      const operation = buildOperationSchema(endpoint, url, config)
      endpoints.set(String(operation.operationId), endpoint)
      return { schema: operation, url }
    },
    transformObject: documentObject => 'openapiObject' in documentObject ? extractComponents(documentObject.openapiObject, endpoints) : {},
  })
  await app.register(async pages => {
    let document: Buffer | undefined
    await pages.register(helmet)
    pages.get('/openapi.json', {
      schema: { operationId: 'openapi', summary: 'This document', tags: ['operation'], response: { 200: { type: 'object', additionalProperties: true } } },
    }, async (_request, reply) => {
      // Made once: whoever asks a thousand times and reads nothing must not cost a thousand copies.
      document ??= Buffer.from(JSON.stringify(app.swagger()))
      return reply.header('cache-control', 'no-store').type('application/json; charset=utf-8').send(document)
    })
  })
}
