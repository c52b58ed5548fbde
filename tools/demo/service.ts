/** The service of `npm run demo`: as `npm start` runs it, with the demo's page beside it. */
import '../../src/server/compile-cache.ts'

const { startProcess: run } = await import('../../src/server/process.ts')
const { registerDemoPage: addPage } = await import('./plugin.ts')
await run((fastify, config) => addPage(fastify, new URL(config.procore.apiUrl)))
