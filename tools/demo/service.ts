/** Runs the service as `npm start` does, with the demo page added. */
import '../../src/server/compile-cache.js'

// The channel closes when the process that started this one ends, possibly while this one is still starting.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))

// Dynamic imports, because static ones would be loaded before the compile cache is enabled.
const { startProcess } = await import('../../src/server/process.ts')
const { registerDemoPage } = await import('./plugin.ts')
await startProcess((fastify, config) => registerDemoPage(fastify, new URL(config.procore.apiUrl)))
