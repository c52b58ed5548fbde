/** The OpenAPI document as the YAML that is committed, from a service that is built with defaults and never started. */
import { fileURLToPath } from 'node:url'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/index.ts'
import { createLog } from '../../src/telemetry/logger.ts'

/** Where it is committed. */
export const openapiPath = fileURLToPath(new URL('../../openapi/openapi.yaml', import.meta.url))

/** Resolves with the document as the defaults of the configuration have it; builds a whole service for it and closes it again. */
export async function buildOpenapiYaml (): Promise<string> {
  const config = loadConfig({ PROCORE_CLIENT_ID: 'unused', PROCORE_CLIENT_SECRET: 'unused', CALLER_AUTH: 'none', LOG_LEVEL: 'silent' })
  const { fastify } = await buildApp(config, createLog(config.log))
  await fastify.ready()
  const yaml = fastify.swagger({ yaml: true })
  await fastify.close()
  return yaml
}
