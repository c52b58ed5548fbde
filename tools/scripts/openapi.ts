/** Generates the OpenAPI documents and the Postman collection from the endpoint descriptions for `npm run openapi`. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/index.ts'
import { createLogs } from '../../src/telemetry/logger.ts'
import { unbufferedOutput } from '../../src/telemetry/log-writer.ts'
import { buildPostmanCollection } from './postman.ts'

export const openapiPath = fileURLToPath(new URL('../../openapi/openapi.yaml', import.meta.url))
export const clientOpenapiPath = fileURLToPath(new URL('../../openapi/client.yaml', import.meta.url))
export const postmanPath = fileURLToPath(new URL('../../openapi/postman.json', import.meta.url))

/** Builds a service with the default configuration, reads its documents, and closes it without listening. */
export async function buildOpenapiFiles (): Promise<ReadonlyMap<string, string>> {
  const config = loadConfig({
    PROCORE_CLIENT_ID: 'unused',
    PROCORE_CLIENT_SECRET: 'unused',
    CALLER_AUTH: 'none',
    LOG_LEVEL: 'silent',
  })
  const { fastify } = await buildApp(config, createLogs(config.log, unbufferedOutput(() => {})))
  await fastify.ready()
  const clientOpenapi = fastify.clientOpenapi({ yaml: true })
  const files = new Map([
    [openapiPath, fastify.swagger({ yaml: true })],
    [clientOpenapiPath, clientOpenapi],
    [postmanPath, buildPostmanCollection(clientOpenapi)],
  ])
  await fastify.close()
  return files
}

if (import.meta.main) for (const [path, text] of await buildOpenapiFiles()) await writeFile(path, text)
