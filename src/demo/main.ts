/** The service of `npm run demo`: as `npm start` runs it, with the demo's page beside it. */
import { run } from '../run.ts'
import { addPage } from './pages.ts'

await run((fastify, config) => addPage(fastify, new URL(config.procore.apiUrl)))
