/** @fastify/http-proxy as its documentation shows it. */
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { listening, token, upstream } from './peer.ts'

const app = Fastify()
await app.register(proxy, {
  upstream,
  prefix: '/companies',
  rewritePrefix: '/rest/v1.3/companies',
  undici: { connections: 128 },
  replyOptions: { rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: `Bearer ${token}` }) },
})
await app.listen({ port: 0, host: '127.0.0.1' })
listening(app.server)
