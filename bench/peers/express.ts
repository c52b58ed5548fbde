/** express with http-proxy-middleware as its documentation shows it, with an agent that keeps connections. */
import { Agent, createServer } from 'node:http'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { listening, token, upstream } from './peer.ts'

const app = express()
app.use('/companies', createProxyMiddleware({ target: `${upstream}/rest/v1.3/companies`, changeOrigin: true, agent: new Agent({ keepAlive: true, maxSockets: 128 }), headers: { authorization: `Bearer ${token}` } }))
const server = createServer(app).listen(0, '127.0.0.1', () => listening(server))
