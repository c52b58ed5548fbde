/** @fastify/http-proxy as its documentation shows it. */
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { logListening, accessToken, upstreamUrl } from './peer.ts'

const app = Fastify()
await app.register(proxy, {
  upstream: upstreamUrl,
  prefix: '/companies',
  rewritePrefix: '/rest/v1.3/companies',
  undici: { connections: 128 },
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: `Bearer ${accessToken}` }),
  },
})
await app.listen({ port: 0, host: '127.0.0.1' })
logListening(app.server)
