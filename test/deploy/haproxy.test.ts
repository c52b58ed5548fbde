// Runs HAProxy with deploy/gateways/haproxy.cfg in front of the service.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { Agent, Client, request } from 'undici'
import { problemTable, type ProblemCode } from '../../src/server/problem.ts'
import { hasHaproxy, startHaproxy } from '../helpers/haproxy-gateway.ts'
import { jpeg, png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import {
  jane, janeParts, multipartBody, multipartPart, send, sendJson, sendMultipart,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { createTlsFiles } from '../helpers/tls-files.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const skip = !hasHaproxy && process.env['CI'] !== 'true' && 'haproxy is not installed'

const changeMethods = ['POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The problem that the service itself responds with. */
function expectedProblem (code: ProblemCode) {
  const { status, title } = problemTable[code]
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', 'x-request-id': String },
    json: { type: `/docs/problems#${code}`, title, status, code, detail: String },
  }
}

interface Replica { port: number, requests: string[] }

/** Starts a replica that is ready, and that treats a request as the test says. */
async function startReplica (
  t: Test, handle: (socket: Socket, head: string) => void, host?: string, port?: number
): Promise<Replica> {
  const requests: string[] = []
  const server = createServer(socket => socket.on('error', () => {}).on('data', data => {
    const head = String(data)
    if (head.startsWith('GET /readyz')) return socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    if (!head.startsWith('GET /docs')) requests.push(head)
    handle(socket, head)
  }))
  return { port: await listen(t, server, host, port), requests }
}

t.test('creates through HAProxy', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startHaproxy(t, service.port)
  const usersUrl = `${gateway}/companies/101/users`

  await t.test('a JSON create is forwarded', async t => {
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  })

  await t.test('a form with a large avatar reaches Procore unchanged', async t => {
    const image = jpeg(9_000_000)
    const response = await sendMultipart(usersUrl, multipartBody([
      { name: 'user[avatar]', filename: 'a', data: image },
      { name: 'user[last_name]', data: 'Doe' },
      { name: 'user[email_address]', data: 'form@example.com' },
    ]))
    t.equal(response.status, 201)
    t.ok(service.emulator.api.directory.users.get(Number(response.json['id']))?.avatar?.equals(image))
  })

  await t.test('an upload is streamed: Procore receives its start before the caller sends its end', async t => {
    const before = service.emulator.apiRequests.length
    const rest = Promise.withResolvers<void>()
    const body = async function * () {
      yield multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) })
      await rest.promise
      yield multipartBody(janeParts.map(part => ({ ...part, data: String(part.data).replace('jane', 'streamed') })))
    }
    const response = sendMultipart(usersUrl, body())
    await waitUntil(() => service.emulator.apiRequests.length > before)
    rest.resolve()
    t.equal((await response).status, 201)
  })

  await t.test('a problem of the service passes unchanged', async t => {
    const response = await sendJson(usersUrl, { user: {} }, { origin: 'https://app.example.com' })
    t.match(response.json, { code: 'origin_not_allowed' })
    t.equal(response.headers['access-control-allow-origin'], undefined)
  })

  for (const path of ['/livez', '/metrics', '/status', '/', '/companies/../livez', '/rest/..%2flivez']) {
    await t.test(`${path} is responded to with 404`, async t => {
      t.match(await send(`${gateway}${path}`, { method: 'GET' }), expectedProblem('not_found'))
    })
  }
})

t.test('HAProxy passes one request id and the address of the caller', { skip }, async t => {
  const { port, requests } = await startReplica(t, socket => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
  const gateway = await startHaproxy(t, port)
  const usersUrl = `${gateway.url}/companies/101/users`
  const headers = { 'x-forwarded-for': '1.2.3.4', traceparent: 'x', tracestate: 'y' }
  await send(usersUrl, { method: 'GET', headers: { ...headers, 'x-request-id': 'from-the-frontend' } })
  await send(usersUrl, { method: 'GET', headers: { ...headers, 'x-request-id': 'not "sane"' } })
  const [first = '', second = ''] = requests
  t.match(first, /^x-request-id: from-the-frontend\r$/im)
  t.match(second, /^x-request-id: [0-9a-f-]{36}\r$/im)
  for (const head of requests) {
    t.match(head, /^x-forwarded-for: 127\.0\.0\.1\r$/im)
    t.match(head, `host: ${new URL(gateway.url).host}\r\n`)
    t.notMatch(head, /1\.2\.3\.4|trace(parent|state)/i)
  }

  await t.test('the access log has the request id, and no data of people', async t => {
    await waitUntil(async () => (await gateway.readLog()).includes('from-the-frontend'))
    const line = (await gateway.readLog()).split('\n').find(text => text.includes('from-the-frontend')) ?? ''
    const parsed: unknown = JSON.parse(line)
    t.match(parsed, { request_id: 'from-the-frontend', method: 'GET', status: 204, replica: /^replica/ })
    t.notMatch(line, /127\.0\.0\.1|users/)
  })
})

t.test('a replica that dies after it received a create', { skip }, async t => {
  const die = (socket: Socket) => { socket.destroy() }
  const { port, requests } = await startReplica(t, die)
  const other = await startReplica(t, die, '127.0.0.2', port)
  const { url: gateway } = await startHaproxy(t, port, { addresses: ['127.0.0.1', '127.0.0.2'] })
  const origin = 'https://app.example.com'

  for (const method of changeMethods) {
    await t.test(`${method}: the outcome is unknown, and no other replica gets the request`, async t => {
      const before = requests.length + other.requests.length
      const headers = { 'content-type': 'application/json', 'x-request-id': 'from-the-frontend', origin }
      const response = await send(`${gateway}/companies/101/users`, { method, body: '{}', headers })
      t.match(response, {
        ...expectedProblem('stopping'),
        headers: { 'x-request-id': 'from-the-frontend', 'retry-after': '1', 'access-control-allow-origin': origin },
      })
      t.match(response.json, { outcome: 'unknown', request_id: 'from-the-frontend' })
      t.equal(requests.length + other.requests.length, before + 1)
    })
  }

  await t.test('a GET has no outcome', async t => {
    const { json } = await send(`${gateway}/companies/101/users`, { method: 'GET' })
    t.match(json, { code: 'stopping' })
    t.equal(json['outcome'], undefined)
  })
})

t.test('the second create on a connection gets a response as well when its replica dies', { skip }, async t => {
  let count = 0
  const { port } = await startReplica(t, (socket, head) => {
    if (head.startsWith('GET /docs') || ++count === 1) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
    else socket.destroy()
  })
  const { url: gateway } = await startHaproxy(t, port)
  const client = new Client(gateway)
  t.teardown(() => client.destroy())
  const create = async () => {
    const { statusCode, body } = await client.request({ method: 'POST', path: '/companies/101/users', body: '{}' })
    return { statusCode, text: await body.text() }
  }
  t.match(await create(), { statusCode: 204 })
  t.match(await create(), { statusCode: 503, text: /"code":"stopping".*"outcome":"unknown"/ })
})

t.test('a replica that does not respond in time leaves the outcome unknown', { skip }, async t => {
  const { port } = await startReplica(t, () => {})
  const changed = { 'timeout server 300s': 'timeout server 1s' }
  const { url: gateway } = await startHaproxy(t, port, { changed })
  const { status, json } = await sendJson(`${gateway}/companies/101/users`, { user: jane })
  t.match({ status, json }, { status: 503, json: { status: 503, code: 'overloaded', outcome: 'unknown' } })
})

t.test('a response that takes longer than a caller may pause arrives', { skip }, async t => {
  const response = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'
  const { port } = await startReplica(t, (socket, head) => {
    setTimeout(() => socket.end(response), head.startsWith('GET /docs') ? 0 : 2_000)
  })
  const { url: gateway } = await startHaproxy(t, port, { changed: { 'timeout client 60s': 'timeout client 500ms' } })
  t.equal((await sendJson(`${gateway}/companies/101/users`, { user: jane })).status, 200)
})

t.test('without a replica a create is not sent', { skip }, async t => {
  const { url: gateway } = await startHaproxy(t, 1, { addresses: [] })
  for (const method of changeMethods) {
    const response = await send(`${gateway}/companies/101/users`, { method, body: '{}' })
    t.match(response, expectedProblem('overloaded'))
    t.match(response.json, { outcome: 'not_sent' })
    t.notMatch(response.text, /Procore/)
  }
})

t.test('HAProxy follows a replica whose address changes', { skip }, async t => {
  const first = await startService(t)
  const second = await startService(t, { env: { HOST: '127.0.0.2', PORT: String(first.port) } })
  const gateway = await startHaproxy(t, first.port, { changed: { 'hold valid 5s': 'hold valid 1s' } })
  const isServedBy = async ({ lines }: typeof first) => {
    const requestId = randomUUID()
    await send(`${gateway.url}/companies/101/trades`, { method: 'GET', headers: { 'x-request-id': requestId } })
    return lines.some(line => line['requestId'] === requestId)
  }
  t.ok(await isServedBy(first))
  await gateway.setAddresses(['127.0.0.2'])
  await waitUntil(() => isServedBy(second))
})

t.test('HAProxy with TLS', { skip }, async t => {
  const service = await startService(t)
  const tls = await createTlsFiles(t, 'IP:127.0.0.1')
  const { url: gateway } = await startHaproxy(t, service.port, { tls })
  const dispatcher = new Agent({ connect: { ca: tls.cert } })
  t.teardown(() => dispatcher.close())
  const headers = { 'content-type': 'application/json' }
  for (const [path, status] of [['/companies/101/users', 422], ['/livez', 404]] as const) {
    await t.test(`${path}: all later requests are to use TLS`, async t => {
      const response = await request(`${gateway}${path}`, { method: 'POST', dispatcher, headers, body: '{"user":{}}' })
      await response.body.dump()
      t.match(response, { statusCode: status, headers: { 'strict-transport-security': 'max-age=31536000' } })
    })
  }

  await t.test('HTTP/2 is not offered', async t => {
    const socket = connectTls({
      port: Number(new URL(gateway).port), host: '127.0.0.1', ca: tls.cert, ALPNProtocols: ['h2', 'http/1.1'],
    })
    await once(socket, 'secureConnect')
    t.equal(socket.alpnProtocol, 'http/1.1')
    socket.destroy()
  })
})
