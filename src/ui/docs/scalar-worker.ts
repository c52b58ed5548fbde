/** Posts the script of Scalar, as its plugin serves it, to the thread that started this worker. */
import { parentPort } from 'node:worker_threads'
import scalar from '@scalar/fastify-api-reference'
import { fastify } from 'fastify'

const server = fastify()
await server.register(scalar, { routePrefix: '/docs', configuration: { url: '/openapi/client.json' } })
const { rawPayload } = await server.inject('/docs/js/scalar.js')
parentPort?.postMessage(new Uint8Array(rawPayload))
