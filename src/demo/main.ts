/** The service of `npm run demo`: as `npm start` runs it, with the demo's page beside it. */
import '../compiled.ts'

const { run } = await import('../run.ts')
const { addPage } = await import('./pages.ts')
await run((fastify, config) => addPage(fastify, new URL(config.procore.apiUrl)))
