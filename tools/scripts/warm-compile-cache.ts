/**
 * Builds the service once and ends, so that the compiled code of all that a start runs is kept: for images, where nobody writes it later.
 * It asks nobody for anything.
 */
import '../../src/server/compile-cache.ts'

const { loadConfig: readConfig } = await import('../../src/config/index.ts')
const { createLog } = await import('../../src/telemetry/logger.ts')
const { buildApp } = await import('../../src/app.ts')
// What is loaded only where it is wanted.
await Promise.all([import('../../src/server/process.ts'), import('../../src/storage/index.ts'), import('../../src/telemetry/tracing.ts')])

const config = readConfig({ PROCORE_CLIENT_ID: '-', PROCORE_CLIENT_SECRET: '-', CALLER_AUTH: 'none', LOG_LEVEL: 'silent' })
const { fastify } = await buildApp(config, createLog(config.log))
await fastify.ready()
await fastify.close()
