// Runs the topology of docker-compose.yml on loopback: nginx with deploy/nginx.conf, the service and the emulator.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { createClient } from '../../client/client.ts'
import { loadConfig } from '../../src/config/index.ts'
import { problemTable, type ProblemCode } from '../../src/server/problem.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { parseDockerfile } from '../helpers/dockerfile.ts'
import { jpeg, png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { root } from '../helpers/spawn-program.ts'
import { get } from '../helpers/request-builders.ts'
import {
  jane, janeParts, multipartBody, multipartPart, RawConnection, send, sendJson, sendMultipart,
} from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const changeMethods = ['POST', 'PUT', 'PATCH', 'DELETE']

const skip = !hasNginx && process.env['CI'] !== 'true' && 'nginx is not installed'

t.test('creates through the gateway', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
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
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
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
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${port}`])
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
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
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
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${await listen(t, replica)}`])
  const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=b' }
  received = Promise.withResolvers()
  await send(`${gateway}/companies/101/users`, { method: 'GET', headers })
  const head = await received.promise
  t.match(head, `\r\nHost: ${new URL(gateway).host}\r\n`)
  t.notMatch(head, /trace(parent|state)/i)

  received = Promise.withResolvers()
  const oldCaller = new RawConnection(Number(new URL(gateway).port))
  oldCaller.write('GET /companies/101/users HTTP/1.0\r\n\r\n')
  t.match(await received.promise, '\r\nHost: service\r\n', 'HTTP/1.1 needs a Host, HTTP/1.0 does not')
})

t.test('1,020 slow bodies leave the gateway open for others', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
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
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
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
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
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
  const second = await startService(t, { procoreUrl: first.emulator.url })
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`])
  first.emulator.faults.add({ kind: 'reset-after-body' })
  first.emulator.faults.add({ kind: 'status', status: 403, method: 'GET', rate: 1 })
  const { json } = await sendJson(`${gateway}/companies/101/users`, { user: jane })
  t.match(json, { status: 502, code: 'procore_unreachable', outcome: 'unknown' })
  t.equal(first.emulator.api.directory.users.size, 1)
})

t.test('a replica that accepts no connection is skipped', { skip }, async t => {
  const service = await startService(t)
  const port = await startUnresponsiveReplica(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${port}`, `127.0.0.1:${service.port}`])
  for (let index = 0; index < 4; index++) {
    const user = { ...jane, email_address: `jane${index}@example.com` }
    t.equal((await sendJson(`${gateway}/companies/101/users`, { user })).status, 201)
  }
})

/** Stops a process whose backlog is full: it answers no SYN, like a host that is gone. Returns its port. */
async function startUnresponsiveReplica (t: Test): Promise<number> {
  const script = `
    const server = require('net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))`
  const replica = spawn(process.execPath, ['-e', script])
  t.teardown(() => replica.kill('SIGKILL'))
  const port = Number(String(await once(replica.stdout, 'data')).trim())
  replica.kill('SIGSTOP')
  const sockets = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  return port
}

t.test('a replica that loses a create is not taken out, and no other replica gets that create', { skip }, async t => {
  let lostRequests = 0
  const losingReplica = createServer(socket => socket.on('error', () => {}).once('data', () => {
    lostRequests++
    socket.destroy()
  }))
  const address = `127.0.0.1:${await listen(t, losingReplica)}`
  const { url: gateway } = await startGateway(t, [address, address])
  for (let index = 0; index < 4; index++) {
    const { json } = await sendJson(`${gateway}/companies/101/users`, { user: jane })
    t.match(json, { code: 'stopping', outcome: 'unknown' })
  }
  t.equal(lostRequests, 4)
})

const ServiceSchema = Type.Object({
  build: Type.Optional(Type.Object({ context: Type.String(), target: Type.String() })),
  command: Type.Optional(Type.Array(Type.String())),
  environment: Type.Optional(Type.Record(Type.String(), Type.String())),
  extra_hosts: Type.Optional(Type.Array(Type.String())),
  networks: Type.Optional(Type.Object({ default: Type.Object({ ipv4_address: Type.String() }) })),
  read_only: Type.Optional(Type.Boolean()),
  cap_drop: Type.Optional(Type.Array(Type.String())),
})
const ComposeSchema = Type.Object({ services: Type.Record(Type.String(), ServiceSchema) })

t.test('docker-compose.yml', async t => {
  const text = await readFile(join(root, 'docker-compose.yml'), 'utf8')
  const { services } = assertSchema(ComposeSchema, parse(text, { merge: true }))
  const replicas = ['service-1', 'service-2', 'service-3']

  await t.test('starts the gateway, three replicas, Redis and the emulator', async t => {
    t.strictSame(Object.keys(services), ['gateway', ...replicas, 'redis', 'emulator'])
  })

  await t.test('runs Redis with a password, and without eviction or loss', async t => {
    for (const word of ['--requirepass', '--appendonly', 'noeviction']) {
      t.ok(services['redis']?.command?.includes(word), word)
    }
  })

  for (const name of replicas) {
    await t.test(`gives ${name} a valid configuration`, async t => {
      const config = loadConfig(services[name]?.environment ?? {})
      t.match(config, { procore: { apiUrl: 'http://emulator:4010' }, shutdown: { drainDelayMs: 5000 } })
    })

    await t.test(`gives the gateway the address of ${name}, which does not resolve while it is stopped`, async t => {
      const address = services[name]?.networks?.default.ipv4_address
      t.ok(services['gateway']?.extra_hosts?.includes(`${name}:${address}`))
    })

    await t.test(`restricts ${name}`, async t => {
      t.match(services[name], { read_only: true, cap_drop: ['ALL'] })
    })
  }

  await t.test('builds the stages of the Dockerfile', async t => {
    const stageNames = parseDockerfile(await readFile(join(root, 'Dockerfile'), 'utf8')).map(({ name }) => name)
    for (const name of [...replicas, 'emulator']) {
      t.equal(services[name]?.build?.target, name === 'emulator' ? 'emulator' : 'service', name)
      t.ok(stageNames.includes(services[name]?.build?.target ?? ''), name)
    }
  })
})
