/** Generates the OpenAPI 3.1 document from the endpoint descriptions and serves it at `/openapi.json`. */
import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import fp from 'fastify-plugin'
import type { Config } from '../config/index.ts'
import { version } from '../config/product.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import { ProblemSchema } from '../server/problem.ts'
import { extractComponents } from './components.ts'
import { buildOperationSchema } from './operation.ts'

/** Must be registered before the routes that the document describes. */
export const openapiPlugin = fp<{ config: Config }>(async (app, { config }) => {
  const endpoints = new Map<string, Endpoint>()
  app.addSchema({ ...ProblemSchema, $id: 'Problem' })
  await app.register(swagger, {
    refResolver: { buildLocalReference: json => String(json['$id']) },
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Procore backend for frontends',
        version,
        description: 'Creates, finds, updates and invites people in the company directory of Procore, for frontends ' +
          'that have no Procore credentials.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'directory', description: 'The people in a company\'s Procore directory.' },
        { name: 'operation', description: 'For operators of the service.' },
      ],
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
    },
    transform: ({ schema, url, route }) => {
      const endpoint = route.config?.endpoint
      if (endpoint === undefined) return { schema, url }
      const operation = buildOperationSchema(endpoint, url, config)
      endpoints.set(String(operation.operationId), endpoint)
      return { schema: operation, url }
    },
    transformObject: documentObject => {
      return 'openapiObject' in documentObject ? extractComponents(documentObject.openapiObject, endpoints) : {}
    },
  })
  await app.register(async pages => {
    let document: Buffer | undefined
    await pages.register(helmet)
    pages.get('/openapi.json', {
      schema: {
        operationId: 'openapi',
        summary: 'This document',
        tags: ['operation'],
        response: { 200: { type: 'object', additionalProperties: true } },
      },
    }, async (_request, reply) => {
      // The document is the same for every caller and serialized once, on the first request. Otherwise a caller that
      // sends a thousand requests and reads no response would make the service hold a thousand copies.
      document ??= Buffer.from(JSON.stringify(app.swagger()))
      return reply.header('cache-control', 'no-store').type('application/json; charset=utf-8').send(document)
    })
  })
})
