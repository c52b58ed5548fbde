/** express with http-proxy-middleware as its documentation shows it, with an agent that reuses connections. */
import { Agent, createServer } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { logListening, accessToken, upstreamUrl } from './peer.ts'

const agentOptions = { keepAlive: true, maxSockets: 128 }
const app = express()
app.use('/companies', createProxyMiddleware({
  target: `${upstreamUrl}/rest/v1.3/companies`,
  changeOrigin: true,
  agent: upstreamUrl.startsWith('https:') ? new TlsAgent(agentOptions) : new Agent(agentOptions),
  headers: { authorization: `Bearer ${accessToken}` },
}))
const server = createServer(app).listen(0, '127.0.0.1', () => logListening(server))
