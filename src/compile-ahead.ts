/**
 * Builds the service once and ends, so that the compiled code of all that a start runs is kept: for images, where nobody writes it later.
 * It asks nobody for anything.
 */
import './compiled.ts'

const { readConfig } = await import('./config.ts')
const { createLog } = await import('./observe/log.ts')
const { buildApp } = await import('./app.ts')
// What is loaded only where it is wanted.
await Promise.all([import('./run.ts'), import('./state/shared.ts'), import('./observe/traces.ts')])

const config = readConfig({ PROCORE_CLIENT_ID: '-', PROCORE_CLIENT_SECRET: '-', CALLER_AUTH: 'none', LOG_LEVEL: 'silent' })
const { fastify } = await buildApp(config, createLog(config.log))
await fastify.ready()
await fastify.close()
