/** express with http-proxy-middleware as its documentation shows it, with an agent that reuses connections. */
import { Agent, createServer } from 'node:http'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { logListening, accessToken, upstreamUrl } from './peer.ts'

const app = express()
app.use('/companies', createProxyMiddleware({
  target: `${upstreamUrl}/rest/v1.3/companies`,
  changeOrigin: true,
  agent: new Agent({ keepAlive: true, maxSockets: 128 }),
  headers: { authorization: `Bearer ${accessToken}` },
}))
const server = createServer(app).listen(0, '127.0.0.1', () => logListening(server))
