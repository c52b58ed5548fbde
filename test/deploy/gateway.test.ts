// Runs the topology of docker-compose.yml on loopback: nginx with deploy/nginx.conf, the service and the emulator.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { createClient } from '../../client/client.ts'
import { problemTable, type ProblemCode } from '../../src/server/problem.ts'
import { freePort } from '../helpers/free-port.ts'
import { jpeg, png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { get } from '../helpers/request-builders.ts'
import {
  jane, janeParts, multipartBody, multipartPart, RawConnection, send, sendJson, sendMultipart,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { createTlsFiles } from '../helpers/tls-files.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const changeMethods = ['POST', 'PUT', 'PATCH', 'DELETE']

const skip = !hasNginx && process.env['CI'] !== 'true' && 'nginx is not installed'

t.test('creates through the gateway', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, service.port)
  const usersUrl = `${gateway}/companies/101/users`

  await t.test('a JSON create is forwarded', async t => {
    t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  })

  await t.test("a JSON create is forwarded under Procore's own path", async t => {
    const user = { ...jane, email_address: 'b@example.com' }
    t.equal((await sendJson(`${gateway}/rest/v1.3/companies/101/users`, { user })).status, 201)
  })

  const forms = [
    { name: 'a small avatar', image: png(200_000), email: 'form0@example.com' },
    { name: 'a large avatar', image: jpeg(9_000_000), email: 'form1@example.com' },
  ]
  for (const { name, image, email } of forms) {
    await t.test(`a form with ${name} reaches Procore unchanged`, async t => {
      const response = await sendMultipart(usersUrl, multipartBody([
        { name: 'user[avatar]', filename: 'a', data: image },
        { name: 'user[last_name]', data: 'Doe' },
        { name: 'user[email_address]', data: email },
      ]))
      t.equal(response.status, 201)
      t.ok(service.emulator.api.directory.users.get(Number(response.json['id']))?.avatar?.equals(image))
    })
  }

  await t.test('the list of companies is forwarded', async t => {
    t.match(await get(`${gateway}/companies?per_page=1`), { status: 200, json: [{ id: 101 }] })
  })

  await t.test('a problem of the service passes unchanged', async t => {
    t.match((await sendJson(usersUrl, { user: {} })).json, { code: 'validation_failed' })
  })
})

t.test('only the API of the service is reachable', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, service.port)
  const paths = [
    '/livez', '/readyz', '/metrics', '/openapi.json', '/openapi/client.json', '/docs', '/docs/reference.js', '/status',
    '/', '/companies/../livez', '/docs/problems/../scalar.js', '/rest/..%2flivez',
  ]
  for (const path of paths) {
    await t.test(`${path} is responded to with 404`, async t => {
      t.match(await send(`${gateway}${path}`, { method: 'GET' }), expectedProblem('not_found'))
    })
  }
  await t.test('the page that the type of a problem refers to is reachable, with its style sheet', async t => {
    const { json: { type } } = await send(`${gateway}/companies/101/none`, { method: 'GET' })
    const page = await send(`${gateway}${String(type)}`, { method: 'GET' })
    t.match(page, { status: 200, text: /<section id="not_found">/ })
    t.match(await send(`${gateway}/docs/problems.css`, { method: 'GET' }), { status: 200 })
  })
})

/** The problem that the service itself responds with. */
function expectedProblem (code: ProblemCode) {
  const { status, title } = problemTable[code]
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
    json: { type: `/docs/problems#${code}`, title, status, code, detail: String },
  }
}

t.test('an error of the gateway is a problem with the request id', { skip }, async t => {
  const replica = createServer(socket => { socket.on('error', () => {}) })
  const port = await listen(t, replica)
  const { url: gateway } = await startGateway(t, port)
  const headers = { 'x-request-id': 'from-the-frontend' }
  const usersUrl = `${gateway}/companies/101/users`

  await t.test('a body over the limit is refused', async t => {
    const response = await send(usersUrl, {
      method: 'POST',
      headers: { ...headers, 'content-length': '20000000' },
      body: Buffer.alloc(20_000_000),
    })
    t.match(response, expectedProblem('body_too_large'))
    t.equal(response.json['request_id'], 'from-the-frontend')
    t.equal(response.json['outcome'], undefined)
  })

  await t.test('a form over the limit is refused with the code of the avatar, and can be read by a page', async t => {
    const response = await send(usersUrl, {
      method: 'POST',
      headers: { ...headers, origin: 'https://app.example.com', 'content-type': 'multipart/form-data; boundary=x' },
      body: Buffer.alloc(20_000_000),
    })
    t.match(response, {
      ...expectedProblem('avatar_too_large'),
      headers: {
        'access-control-allow-origin': 'https://app.example.com',
        'access-control-allow-credentials': 'true',
        'x-content-type-options': 'nosniff',
      },
    })
  })

  await t.test('a create or change whose connection breaks has an unknown outcome', async t => {
    replica.on('connection', socket => socket.once('data', () => socket.destroy()))
    for (const method of changeMethods) {
      const body = JSON.stringify({ user: jane })
      const jsonHeaders = { ...headers, 'content-type': 'application/json' }
      const response = await send(usersUrl, { method, body, headers: jsonHeaders })
      t.match(response, {
        ...expectedProblem('stopping'),
        headers: { 'x-request-id': 'from-the-frontend', 'retry-after': '1' },
      })
      t.match(response.json, { outcome: 'unknown', request_id: 'from-the-frontend' })
    }
  })

  await t.test('a GET whose connection breaks has no outcome', async t => {
    const { json } = await send(usersUrl, { method: 'GET', headers })
    t.match(json, { code: 'stopping' })
    t.equal(json['outcome'], undefined)
  })

  await t.test('a URL that is too long is refused', async t => {
    t.match(await send(`${usersUrl}?${'x'.repeat(20_000)}`, { method: 'GET', headers }), {
      status: 414,
      json: { status: 414, code: 'bad_request' },
      headers: { 'content-type': 'application/problem+json' },
    })
  })

  await t.test('a header that is too long is refused', async t => {
    const response = await send(usersUrl, { method: 'GET', headers: { ...headers, 'x-long': 'x'.repeat(20_000) } })
    t.match(response, expectedProblem('bad_request'))
  })

  for (const [name, head] of Object.entries({
    'an unknown transfer coding': 'POST /companies/101/users HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip',
    'an unknown version of HTTP': 'GET /companies/101/users HTTP/2.5\r\nhost: x',
  })) {
    await t.test(`${name} is refused`, async t => {
      const connection = new RawConnection(Number(new URL(gateway).port))
      connection.write(`${head}\r\n\r\n`)
      const expected = /^HTTP\/1.1 400 [^]*application\/problem\+json[^]*"code":"bad_request"/
      t.match(await connection.readUntil('}'), expected)
    })
  }

  await t.test('TRACE, which nginx refuses itself, is a problem with the methods that are allowed', async t => {
    const connection = new RawConnection(Number(new URL(gateway).port))
    connection.write('TRACE /companies/101/users HTTP/1.1\r\nhost: x\r\norigin: https://app.example.com\r\n\r\n')
    const { title } = problemTable.method_not_allowed
    const response = await connection.readUntil('}')
    t.match(response, /^HTTP\/1.1 405 /)
    t.match(response, /^Content-Type: application\/problem\+json\r\n/m)
    t.match(response, /^Allow: .*\bPOST\b/m)
    t.match(response, /^Access-Control-Allow-Origin: https:\/\/app.example.com\r\n/m)
    t.match(response, `"title":"${title}","status":405`)
  })

  await t.test('a GET that no replica accepts has no outcome', async t => {
    replica.close()
    await once(replica, 'close')
    const { json } = await send(usersUrl, { method: 'GET', headers: { 'x-request-id': 'not "sane"' } })
    t.match(json, { code: 'overloaded', request_id: /^[0-9a-f]{32}$/ })
    t.equal(json['outcome'], undefined)
  })

  await t.test('a create or change that no replica accepts was not sent', async t => {
    for (const method of changeMethods) {
      const body = JSON.stringify({ user: jane })
      const response = await send(usersUrl, { method, body, headers: { 'content-type': 'application/json' } })
      t.match(response, expectedProblem('overloaded'))
      t.match(response.json, { outcome: 'not_sent' })
      t.notMatch(response.text, /Procore could/)
    }
  })
})

t.test('the client sends an upload once that the gateway refuses for its size', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, service.port)
  for (const onProgress of [undefined, () => {}]) {
    await t.test(onProgress === undefined ? 'without progress' : 'with progress', async t => {
      const call = createClient({ baseUrl: gateway }).createUser(101, jane, {
        avatar: new Blob([Buffer.alloc(17_000_000)]),
        onProgress,
      })
      await t.rejects(call, { name: 'ProblemError', code: 'avatar_too_large', attempts: 1 })
    })
  }
})

t.test('the service gets the Host with its port, and no trace that a caller chose', { skip }, async t => {
  let received = Promise.withResolvers<string>()
  const replica = createServer(socket => socket.on('error', () => {}).on('data', data => {
    received.resolve(String(data))
    socket.end('HTTP/1.1 204 No Content\r\n\r\n')
  }))
  const { url: gateway } = await startGateway(t, await listen(t, replica))
  const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=b' }
  received = Promise.withResolvers()
  await send(`${gateway}/companies/101/users`, { method: 'GET', headers })
  const head = await received.promise
  t.match(head, `\r\nHost: ${new URL(gateway).host}\r\n`)
  t.notMatch(head, /trace(parent|state)/i)

  received = Promise.withResolvers()
  const oldCaller = new RawConnection(Number(new URL(gateway).port))
  oldCaller.write('GET /companies/101/users HTTP/1.0\r\n\r\n')
  t.match(await received.promise, /\r\nHost: service:\d+\r\n/, 'HTTP/1.1 needs a Host, HTTP/1.0 does not')
})

t.test('1,020 slow bodies leave the gateway open for others', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, service.port)
  const { hostname, port } = new URL(gateway)
  const head = 'POST /companies/101/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
    'content-length: 200000\r\n\r\n{'
  const sockets = Array.from({ length: 1020 }, () => connect(Number(port), hostname).on('error', () => {}))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  for (const socket of sockets) socket.write(head)
  t.equal((await sendJson(`${gateway}/companies/101/users`, { user: jane })).status, 201)
})

t.test('request ids', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, service.port)
  const usersUrl = `${gateway}/companies/101/users`

  await t.test('a valid request id of the caller is passed on', async t => {
    const { headers } = await sendJson(usersUrl, { user: {} }, { 'x-request-id': 'from-the-frontend' })
    t.equal(headers['x-request-id'], 'from-the-frontend')
  })

  await t.test('an invalid request id is replaced', async t => {
    const { headers } = await sendJson(usersUrl, { user: {} }, { 'x-request-id': 'not sane' })
    t.match(headers['x-request-id'], /^[0-9a-f]{32}$/)
  })
})

t.test('an upload is streamed: Procore receives its start before the caller sends its end', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, service.port)
  const rest = Promise.withResolvers<void>()
  const body = async function * () {
    yield multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) })
    await rest.promise
    yield multipartBody(janeParts)
  }
  const response = sendMultipart(`${gateway}/companies/101/users`, body())
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  rest.resolve()
  t.equal((await response).status, 201)
})

t.test('the gateway does not repeat a create whose response was lost', { skip }, async t => {
  const first = await startService(t)
  const addresses = ['127.0.0.1', '127.0.0.2']
  const env = { HOST: '127.0.0.2', PORT: String(first.port) }
  await startService(t, { env, procoreUrl: first.emulator.url })
  const { url: gateway } = await startGateway(t, first.port, { addresses })
  first.emulator.faults.add({ kind: 'reset-after-body' })
  first.emulator.faults.add({ kind: 'status', status: 403, method: 'GET', rate: 1 })
  const { json } = await sendJson(`${gateway}/companies/101/users`, { user: jane })
  t.match(json, { status: 502, code: 'procore_unreachable', outcome: 'unknown' })
  t.equal(first.emulator.api.directory.users.size, 1)
})

t.test('a replica that accepts no connection is skipped', { skip }, async t => {
  const service = await startService(t)
  await startUnresponsiveReplica(t, '127.0.0.2', service.port)
  const { url: gateway } = await startGateway(t, service.port, { addresses: ['127.0.0.1', '127.0.0.2'] })
  for (let index = 0; index < 4; index++) {
    const user = { ...jane, email_address: `jane${index}@example.com` }
    t.equal((await sendJson(`${gateway}/companies/101/users`, { user })).status, 201)
  }
})

/** Stops a process whose backlog is full: it answers no SYN, like a host that is gone. */
async function startUnresponsiveReplica (t: Test, host: string, port: number): Promise<void> {
  const script = `
    const server = require('net').createServer()
    server.listen({ port: ${port}, host: '${host}', backlog: 1 }, () => console.log('listening'))`
  const replica = spawn(process.execPath, ['-e', script])
  t.teardown(() => replica.kill('SIGKILL'))
  await once(replica.stdout, 'data')
  replica.kill('SIGSTOP')
  const sockets = Array.from({ length: 8 }, () => connect(port, host).on('error', () => {}))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
}

t.test('the gateway with TLS', { skip }, async t => {
  const service = await startService(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const tls = await createTlsFiles(t, 'IP:127.0.0.1')
  const { url: gateway } = await startGateway(t, service.port, { tls })
  const usersUrl = `${gateway}/companies/101/users`
  const dispatcher = new Agent({ connect: { ca: tls.cert } })
  t.teardown(() => dispatcher.close())
  const header = 'strict-transport-security'

  await t.test('forwards a create, and the browser is to send all later requests by TLS', async t => {
    const body = JSON.stringify({ user: jane })
    const headers = { 'content-type': 'application/json', origin: gateway }
    const response = await request(usersUrl, { method: 'POST', dispatcher, body, headers })
    await response.body.dump()
    t.match(response, { statusCode: 201, headers: { [header]: 'max-age=31536000' } })
  })

  await t.test('says so in its own problems', async t => {
    const response = await request(gateway, { dispatcher })
    await response.body.dump()
    t.match(response, { statusCode: 404, headers: { [header]: 'max-age=31536000' } })
  })

  await t.test('refuses a request without TLS', async t => {
    const response = await send(usersUrl.replace('https:', 'http:'), { method: 'GET' })
    t.match(response, expectedProblem('bad_request'))
    t.equal(response.headers[header], undefined)
  })

  for (const [maxVersion, isAccepted] of [['TLSv1.1', false], ['TLSv1.2', true], ['TLSv1.3', true]] as const) {
    await t.test(`${isAccepted ? 'accepts' : 'refuses'} ${maxVersion}`, async t => {
      const port = Number(new URL(gateway).port)
      const ciphers = 'DEFAULT@SECLEVEL=0'
      const socket = connectTls({ port, host: '127.0.0.1', ca: tls.cert, minVersion: 'TLSv1', maxVersion, ciphers })
      const [error] = await Promise.race([once(socket, 'secureConnect'), once(socket, 'close'), once(socket, 'error')])
        .catch((error: unknown) => [error])
      if (isAccepted) t.equal(socket.getProtocol(), maxVersion)
      else t.match(error, { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
      socket.destroy()
    })
  }
})

t.test('the gateway follows a replica whose address changes', { skip }, async t => {
  const first = await startService(t)
  const env = { HOST: '127.0.0.2', PORT: String(first.port) }
  const second = await startService(t, { env })
  const gateway = await startGateway(t, first.port)
  const isServedBy = async ({ lines }: typeof first) => {
    const requestId = randomUUID()
    await send(`${gateway.url}/companies/101/trades`, { method: 'GET', headers: { 'x-request-id': requestId } })
    return lines.some(line => line['requestId'] === requestId)
  }
  t.ok(await isServedBy(first))
  const learned = gateway.setAddresses(['127.0.0.2'])
  await waitUntil(() => isServedBy(second))
  await learned
  t.notOk(await isServedBy(first))

  await t.test('without an address, a create is not sent', async t => {
    gateway.setAddresses([])
    const create = () => sendJson(`${gateway.url}/companies/101/users`, { user: {} })
    await waitUntil(async () => (await create()).status === 503)
    t.match((await create()).json, { code: 'overloaded', outcome: 'not_sent' })
  })
})

t.test('each request has a connection of its own, which no replica can be closing', { skip }, async t => {
  let connectionCount = 0
  const replica = createServer(socket => {
    connectionCount++
    socket.on('error', () => {}).on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))
  })
  const { url: gateway } = await startGateway(t, await listen(t, replica))
  for (let index = 0; index < 3; index++) await send(`${gateway}/companies/101/users`, { method: 'GET' })
  t.equal(connectionCount, 3)
})

t.test('an import over the limit is refused with the code of a body, not with that of an avatar', { skip }, async t => {
  const { url: gateway } = await startGateway(t, await freePort())
  const response = await send(`${gateway}/companies/101/users/import`, {
    headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: Buffer.alloc(70_000_000),
  })
  t.match(response, expectedProblem('body_too_large'))
})

t.test('the access log has the request id, and no data of people', { skip }, async t => {
  const service = await startService(t)
  const gateway = await startGateway(t, service.port)
  const url = `${gateway.url}/companies/101/users?filters[search]=${jane.email_address}`
  await sendJson(url, { user: jane }, { 'x-request-id': 'logged', 'user-agent': 'Jane/1', authorization: 'Bearer x' })
  await waitUntil(async () => (await gateway.readLog()).includes('"logged"'))
  const line: unknown = JSON.parse((await gateway.readLog()).split('\n').find(text => text.includes('"logged"')) ?? '')
  t.match(line, { request_id: 'logged', method: 'POST', status: Number, replica: `127.0.0.1:${service.port}` })
  t.notMatch(JSON.stringify(line), /jane|bearer|users/i)
})

t.test('a replica that loses a create is not taken out, and no other replica gets that create', { skip }, async t => {
  for (const [name, isStatic] of [['from the DNS', false], ['of an upstream', true]] as const) {
    await t.test(`with addresses ${name}`, async t => {
      let lostRequests = 0
      const startLosingReplica = (host: string, port = 0) => {
        const replica = createServer(socket => socket.on('error', () => {}).once('data', () => {
          lostRequests++
          socket.destroy()
        }))
        return listen(t, replica, host, port)
      }
      const port = await startLosingReplica('127.0.0.1')
      await startLosingReplica('127.0.0.2', port)
      const { url: gateway } = await startGateway(t, port, { addresses: ['127.0.0.1', '127.0.0.2'], isStatic })
      for (let index = 0; index < 4; index++) {
        const { json } = await sendJson(`${gateway}/companies/101/users`, { user: jane })
        t.match(json, { code: 'stopping', outcome: 'unknown' })
      }
      t.equal(lostRequests, 4)
    })
  }
})
