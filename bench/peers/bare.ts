/** The least a Node proxy can do: node:http in, undici out, nothing checked and nothing logged. Bodies are piped. */
import { createServer } from 'node:http'
import { Pool } from 'undici'
import { listening, token, upstream } from './peer.ts'

const pool = new Pool(upstream, { connections: 128 })

const server = createServer((request, response) => {
  const { 'content-length': length } = request.headers
  pool.request({
    method: 'POST',
    path: request.url?.replace('/companies', '/rest/v1.3/companies') ?? '/',
    headers: { 'content-type': request.headers['content-type'], authorization: `Bearer ${token}`, ...(length !== undefined && { 'content-length': length }) },
    body: request,
  }).then(answer => {
    response.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type']), 'content-length': String(answer.headers['content-length']) })
    answer.body.pipe(response)
  }, () => response.writeHead(502).end())
}).listen(0, '127.0.0.1', () => listening(server))
