// Tests interim responses that no request asked for, from the API host and the login host (RFC 9110 §15.2).
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { limits } from '../../src/config/limits.ts'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { get } from '../helpers/request-builders.ts'
import { jane, janeParts, multipartBody, sendJson, sendMultipart } from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'

const continueHead = 'HTTP/1.1 100 Continue\r\n\r\n'
const tokenResponse = '{"access_token":"tok","token_type":"bearer","expires_in":5400}'
const jsonHeaders = { 'content-type': 'application/json' }

interface Script {
  /** Written raw before each response, one chunk at a time. */
  interim: string[]
  status?: number
  body?: string
  /** Written before the request body is read, instead of after it. */
  isEarly?: boolean
}

interface Upstream extends Service {
  connections: () => number
}

/** Writes each chunk so that it is received by itself: Nagle's algorithm is off, and each write is awaited. */
async function writeChunks (socket: Socket, chunks: string[]): Promise<void> {
  socket.setNoDelay()
  for (const chunk of chunks) {
    await new Promise(resolve => socket.write(chunk, resolve))
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Starts a service whose upstream writes interim responses before each response, those with tokens included. */
async function startUpstream (t: Test, script: Script): Promise<Upstream> {
  const { interim, status = 201, body = '{"id":7}', isEarly } = script
  let connections = 0
  const server = createServer(async (request, response) => {
    if (isEarly === true) {
      await once(request, 'readable')
      await writeChunks(request.socket, interim)
    }
    await buffer(request)
    if (isEarly !== true) await writeChunks(request.socket, interim)
    const isToken = request.url === '/oauth/token'
    response.writeHead(isToken ? 200 : status, jsonHeaders).end(isToken ? tokenResponse : body)
  }).on('connection', () => { connections++ })
  const service = await startService(t, { procoreUrl: `http://127.0.0.1:${await listen(t, server)}` })
  return { ...service, connections: () => connections }
}

const scripts: Array<[string, string[]]> = [
  ['one 100 Continue', [continueHead]],
  ['a 100 Continue with headers', ['HTTP/1.1 100 Continue\r\nServer: edge\r\nX-A: b\r\n\r\n']],
  ['a 100 Continue of HTTP/1.0 without a reason phrase', ['HTTP/1.0 100 \r\n\r\n']],
  ['several interim responses', [continueHead, 'HTTP/1.1 102 Processing\r\n\r\n', continueHead]],
  ['several responses in one chunk', [`${continueHead}HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n${continueHead}`]],
  ['an interim response that is split into bytes', [...'HTTP/1.1 100 Continue\r\nA: b\r\n\r\n']],
  ['an unregistered interim status', ['HTTP/1.1 199 Later\r\n\r\n']],
]

for (const [name, interim] of scripts) {
  t.test(`${name} before each response`, async t => {
    await t.test('leaves a create its result', async t => {
      const { usersUrl, connections } = await startUpstream(t, { interim })
      t.match(await sendJson(usersUrl, { user: jane }), { status: 201, text: '{"id":7}' })
      t.match(await sendJson(usersUrl, { user: jane }), { status: 201, text: '{"id":7}' })
      t.equal(connections(), 2, 'one connection to each host, which is reused')
    })
    await t.test('leaves a 422 its messages', async t => {
      const { usersUrl } = await startUpstream(t, { interim, status: 422, body: '{"errors":{"city":["is bad"]}}' })
      const { json } = await sendJson(usersUrl, { user: jane })
      t.match(json, { status: 422, code: 'procore_rejected', outcome: 'rejected', errors: [{ field: 'user[city]' }] })
    })
  })
}

t.test('a list after a 100 Continue is relayed', async t => {
  const { url } = await startUpstream(t, { interim: [continueHead], status: 200, body: '[]' })
  t.match(await get(`${url}/companies/101/trades`), { status: 200, text: '[]' })
})

t.test('a form that is streamed goes on after a 100 Continue', async t => {
  const { usersUrl } = await startUpstream(t, { interim: [continueHead], isEarly: true })
  const avatar = { name: 'user[avatar]', filename: 'a.png', data: png(900_000) }
  t.match(await sendMultipart(usersUrl, multipartBody([...janeParts, avatar])), { status: 201, text: '{"id":7}' })
})

t.test('a response body whose chunks look like interim responses is relayed unchanged', async t => {
  const chunks = ['{"id":7,"notes":"', 'HTTP/1.1 100 Continue', '"', '\r\n\r\n', '}']
  const server = createServer(async (request, response) => {
    await buffer(request)
    if (request.url === '/oauth/token') return response.writeHead(200, jsonHeaders).end(tokenResponse)
    response.writeHead(201, { ...jsonHeaders, 'content-length': chunks.join('').length }).flushHeaders()
    await writeChunks(request.socket, chunks)
    response.destroy()
  })
  const { usersUrl } = await startService(t, { procoreUrl: `http://127.0.0.1:${await listen(t, server)}` })
  t.match(await sendJson(usersUrl, { user: jane }), { status: 201, text: chunks.join('') })
})

const faults: Array<[string, string]> = [
  ['a 101 Switching Protocols', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ['a 101 that names a protocol', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n'],
  ['an interim head over the limit', `HTTP/1.1 103 Early Hints\r\na: ${'a'.repeat(limits.server.headersMaxBytes)}`],
  ['endless interim responses', continueHead.repeat(limits.server.headersMaxBytes / continueHead.length + 1)],
  ['bytes that are not HTTP', 'hello\n'],
]

for (const [name, interim] of faults) {
  t.test(`a create that is answered by ${name} is a bad response with an unknown outcome`, async t => {
    const server = createServer(async (request, response) => {
      await buffer(request)
      if (request.url === '/oauth/token') response.writeHead(200, jsonHeaders).end(tokenResponse)
      else request.socket.write(interim)
    })
    const { usersUrl } = await startService(t, { procoreUrl: `http://127.0.0.1:${await listen(t, server)}` })
    const { json } = await sendJson(usersUrl, { user: jane })
    t.match(json, { status: 502, code: 'procore_bad_response', outcome: 'unknown' })
  })
}

t.test('a create whose connection closes within an interim head is unreachable with an unknown outcome', async t => {
  const server = createServer(async (request, response) => {
    await buffer(request)
    if (request.url === '/oauth/token') response.writeHead(200, jsonHeaders).end(tokenResponse)
    else request.socket.end('HTTP/1.1 100 Cont')
  })
  const { usersUrl } = await startService(t, { procoreUrl: `http://127.0.0.1:${await listen(t, server)}` })
  const { json } = await sendJson(usersUrl, { user: jane })
  t.match(json, { status: 502, code: 'procore_unreachable', outcome: 'unknown' })
})
