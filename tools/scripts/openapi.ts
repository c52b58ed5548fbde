/** Generates openapi/openapi.yaml from the endpoint descriptions; `npm run openapi` writes the file. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/index.ts'
import { createLogs } from '../../src/telemetry/logger.ts'
import { unbufferedOutput } from '../../src/telemetry/log-writer.ts'

export const openapiPath = fileURLToPath(new URL('../../openapi/openapi.yaml', import.meta.url))

/** Builds a service with the default configuration, reads its OpenAPI document, and closes it without listening. */
export async function buildOpenapiYaml (): Promise<string> {
  const config = loadConfig({
    PROCORE_CLIENT_ID: 'unused',
    PROCORE_CLIENT_SECRET: 'unused',
    CALLER_AUTH: 'none',
    LOG_LEVEL: 'silent',
  })
  const { fastify } = await buildApp(config, createLogs(config.log, unbufferedOutput(() => {})))
  await fastify.ready()
  const yaml = fastify.swagger({ yaml: true })
  await fastify.close()
  return yaml
}

if (import.meta.main) await writeFile(openapiPath, await buildOpenapiYaml())
