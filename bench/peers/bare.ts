/** The minimal Node proxy: node:http receives, undici sends, bodies are piped. It validates and logs nothing. */
import { createServer } from 'node:http'
import { Pool } from 'undici'
import { logListening, accessToken, upstreamUrl } from './peer.ts'

const pool = new Pool(upstreamUrl, { connections: 128 })

const server = createServer((request, response) => {
  const { 'content-length': length } = request.headers
  pool.request({
    method: 'POST',
    path: request.url?.replace('/companies', '/rest/v1.3/companies') ?? '/',
    headers: {
      'content-type': request.headers['content-type'],
      authorization: `Bearer ${accessToken}`,
      ...(length !== undefined && { 'content-length': length }),
    },
    body: request,
  }).then(upstreamResponse => {
    response.writeHead(upstreamResponse.statusCode, {
      'content-type': String(upstreamResponse.headers['content-type']),
      'content-length': String(upstreamResponse.headers['content-length']),
    })
    upstreamResponse.body.pipe(response)
  }, () => response.writeHead(502).end())
}).listen(0, '127.0.0.1', () => logListening(server))
