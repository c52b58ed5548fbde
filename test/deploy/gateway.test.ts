// The topology of docker-compose.yml on loopback: a real nginx with the gateway's own configuration, the service, the emulator.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/index.ts'
import { problemTable, type ProblemCode } from '../../src/server/problem.ts'
import { jpeg, png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { hasNginx, startGateway } from '../helpers/nginx-gateway.ts'
import { root } from '../helpers/spawn-program.ts'
import { multipartBody, multipartPart, jane, janeParts, RawConnection, send, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

const skip = !hasNginx && process.env['CI'] !== 'true' && 'nginx is not installed'

t.test('JSON and forms through the gateway', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
  const users = `${gateway}/companies/101/users`
  t.equal((await sendJson(users, { user: jane })).status, 201)
  t.equal((await sendJson(`${gateway}/rest/v1.3/companies/101/users`, { user: { ...jane, email_address: 'b@example.com' } })).status, 201)
  for (const [index, image] of [png(200_000), jpeg(9_000_000)].entries()) {
    const reply = await sendMultipart(users, multipartBody([{ name: 'user[avatar]', filename: 'a', data: image }, { name: 'user[last_name]', data: 'Doe' }, { name: 'user[email_address]', data: `form${index}@example.com` }]))
    t.equal(reply.status, 201)
    t.ok(service.emulator.api.directory.users.get(Number(reply.json['id']))?.avatar?.equals(image))
  }
  t.match((await sendJson(users, { user: {} })).json, { code: 'validation_failed' })
})

t.test('only the mirrored routes are reachable', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
  for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json', '/docs', '/status', '/', '/companies/../livez', '/rest/..%2flivez']) {
    t.match(await send(`${gateway}${path}`, { method: 'GET' }), problemOf('not_found'), path)
  }
})

/** As the service itself would have told it. */
function problemOf (code: ProblemCode) {
  const { status, title } = problemTable[code]
  return { status, headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }, json: { type: `urn:problem-type:procore-bff:${code}`, title, status, code, detail: String } }
}

t.test('what the gateway itself refuses has the shape of a problem, with the request\'s id', { skip }, async t => {
  const silent = createServer(socket => { socket.on('error', () => {}) })
  const port = await listen(t, silent)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${port}`])
  const headers = { 'x-request-id': 'from-the-frontend' }
  const users = `${gateway}/companies/101/users`
  const tooLarge = await send(users, { method: 'POST', headers: { ...headers, 'content-length': '20000000' }, body: Buffer.alloc(20_000_000) })
  t.match(tooLarge, problemOf('body_too_large'))
  t.equal(tooLarge.json['request_id'], 'from-the-frontend')
  t.equal(tooLarge.json['outcome'], undefined)
  silent.on('connection', socket => socket.once('data', () => socket.destroy()))
  const lost = await sendJson(users, { user: jane }, headers)
  t.match(lost, { ...problemOf('procore_unreachable'), headers: { 'x-request-id': 'from-the-frontend' } })
  t.match(lost.json, { outcome: 'unknown', request_id: 'from-the-frontend' })
  t.match(await send(`${users}?${'x'.repeat(20_000)}`, { method: 'GET', headers }), { status: 414, json: { status: 414, code: 'bad_request' }, headers: { 'content-type': 'application/problem+json' } })
  t.match(await send(users, { method: 'GET', headers: { ...headers, 'x-long': 'x'.repeat(20_000) } }), problemOf('bad_request'))
  const raw = new RawConnection(Number(new URL(gateway).port))
  raw.write('POST /companies/101/users HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n')
  t.match(await raw.readUntil('}'), /^HTTP\/1.1 400 [^]*application\/problem\+json[^]*"code":"bad_request"/)
  silent.close()
  await once(silent, 'close')
  const refused = await send(users, { method: 'GET', headers: { 'x-request-id': 'not "sane"' } })
  t.match(refused.json, { code: 'procore_unreachable', request_id: /^[0-9a-f]{32}$/ })
  t.equal(refused.json['outcome'], undefined)
})

t.test('one id finds a request everywhere: a caller\'s own is passed on, any other replaced', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
  const users = `${gateway}/companies/101/users`
  t.equal((await sendJson(users, { user: {} }, { 'x-request-id': 'from-the-frontend' })).headers['x-request-id'], 'from-the-frontend')
  t.match((await sendJson(users, { user: {} }, { 'x-request-id': 'not sane' })).headers['x-request-id'], /^[0-9a-f]{32}$/)
})

t.test('an upload is not buffered by the gateway: Procore sees it begin before it has ended', { skip }, async t => {
  const service = await startService(t)
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${service.port}`])
  const rest = Promise.withResolvers<void>()
  const body = async function * () {
    yield multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(1_000_000) })
    await rest.promise
    yield multipartBody(janeParts)
  }
  const reply = sendMultipart(`${gateway}/companies/101/users`, body())
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  rest.resolve()
  t.equal((await reply).status, 201)
})

t.test('a create whose answer was lost is not repeated by the gateway', { skip }, async t => {
  const first = await startService(t)
  const second = await startService(t, { procoreUrl: first.emulator.url })
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`])
  first.emulator.faults.add({ kind: 'reset-after-body' })
  first.emulator.faults.add({ kind: 'status', status: 403, method: 'GET', rate: 1 })
  t.match((await sendJson(`${gateway}/companies/101/users`, { user: jane })).json, { status: 502, code: 'procore_unreachable', outcome: 'unknown' })
  t.equal(first.emulator.api.directory.users.size, 1)
})

t.test('a replica that takes no connection is passed over, and a create that was lost takes no replica out', { skip }, async t => {
  const service = await startService(t)
  // A stopped process whose backlog is full answers no SYN, like a host that is gone.
  const gone = spawn(process.execPath, ['-e', 'const server = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port))'])
  t.teardown(() => gone.kill('SIGKILL'))
  const port = String(await once(gone.stdout, 'data')).trim()
  gone.kill('SIGSTOP')
  const fill = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
  t.teardown(() => { for (const socket of fill) socket.destroy() })
  let lost = 0
  const losing = createServer(socket => socket.on('error', () => {}).once('data', () => {
    lost++
    socket.destroy()
  }))
  const address = `127.0.0.1:${await listen(t, losing)}`
  const { url: gateway } = await startGateway(t, [`127.0.0.1:${port}`, `127.0.0.1:${service.port}`])
  for (let index = 0; index < 4; index++) t.equal((await sendJson(`${gateway}/companies/101/users`, { user: { ...jane, email_address: `jane${index}@example.com` } })).status, 201)
  const { url: losingGateway } = await startGateway(t, [address, address])
  for (let index = 0; index < 4; index++) t.match((await sendJson(`${losingGateway}/companies/101/users`, { user: jane })).json, { code: 'procore_unreachable', outcome: 'unknown' })
  t.equal(lost, 4)
})

t.test('docker-compose.yml gives the service settings that it takes', async t => {
  const { services } = parse(await readFile(join(root, 'docker-compose.yml'), 'utf8'), { merge: true })
  t.strictSame(Object.keys(services), ['gateway', 'service-1', 'service-2', 'service-3', 'redis', 'emulator'])
  const { command } = services.redis
  t.ok(['--requirepass', '--appendonly', 'noeviction'].every(word => command.includes(word)))
  for (const name of ['service-1', 'service-2', 'service-3']) t.match(loadConfig(services[name].environment), { procore: { apiUrl: 'http://emulator:4010' }, shutdown: { drainDelayMs: 5000 } })
  const { ipv4_address: replica } = services['service-1'].networks.default
  t.ok(services.gateway.extra_hosts.includes(`service-1:${replica}`), 'the gateway knows a replica that is away')
  t.match(services['service-1'], { read_only: true, cap_drop: ['ALL'] })
})
