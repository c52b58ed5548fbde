/**
 * Builds the service once and exits, so that Node writes the compiled code of every module that a start loads to the
 * compile cache. Run while an image is built, because the running container cannot write the cache. Must run with the
 * V8 flags of the service, because V8 rejects code that was compiled with others. Makes no network request.
 */
import '../../src/server/compile-cache.js'

// Dynamic imports, because static ones would be loaded before the compile cache is enabled.
await import('../../src/server/process.ts')

const { buildApp } = await import('../../src/app.ts')
const { loadConfig } = await import('../../src/config/index.ts')
const { createLogs } = await import('../../src/telemetry/logger.ts')
const { unbufferedOutput } = await import('../../src/telemetry/log-writer.ts')
// The configuration below needs neither, but that of an operator may.
await Promise.all([import('../../src/storage/index.ts'), import('../../src/telemetry/tracing.ts')])

const config = loadConfig({
  PROCORE_CLIENT_ID: 'unused',
  PROCORE_CLIENT_SECRET: 'unused',
  CALLER_AUTH: 'none',
  LOG_LEVEL: 'silent',
})
const { fastify } = await buildApp(config, createLogs(config.log, unbufferedOutput(() => {})))
await fastify.ready()
await fastify.close()
