// Outgoing connections: certificates are verified, authorities can be added, and a proxy is used where one is set, or left out.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { listen } from '../helpers/listen.ts'
import { spawnProgram, serviceEnvironment } from '../helpers/spawn-program.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'

/** A certificate for localhost that signs itself. */
async function certify (t: Test): Promise<{ directory: string, key: Buffer, cert: Buffer }> {
  const directory = t.testdir()
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')])
  return { directory, key: readFileSync(join(directory, 'key.pem')), cert: readFileSync(join(directory, 'cert.pem')) }
}

t.test('an https: Procore behind a proxy', async t => {
  const emulator = await startTestEmulator(t)
  const { directory, key, cert } = await certify(t)
  const tls = createTlsServer({ key, cert }, (request, response) => {
    request.pipe(httpRequest(`${emulator.url}${request.url}`, { method: request.method, headers: request.headers }, answer => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    }))
  })
  const origin = `https://localhost:${await listen(t, tls)}`
  const tunnels: string[] = []
  const proxy = createHttpServer().on('connect', ({ url = '' }, socket, head) => {
    tunnels.push(url)
    const [host = '', port] = url.split(':')
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      socket.pipe(upstream).pipe(socket)
    })
    for (const end of [socket, upstream]) end.on('error', () => {})
  })
  const proxyUrl = `http://user:hunter2@localhost:${await listen(t, proxy)}`
  const start = (t: Test, env: Record<string, string>) => spawnProgram(t, 'src/main.ts', { ...serviceEnvironment(emulator), PROCORE_API_URL: origin, PROCORE_LOGIN_URL: origin, ...env })
  const create = async (program: ReturnType<typeof spawnProgram>, company: number) => sendJson(`${await program.listening}/companies/${company}/users`, { user: jane })

  await t.test('a certificate of an authority that nobody knows is not taken', async t => {
    t.match((await create(start(t, {}), 1)).json, { code: 'procore_unavailable', outcome: 'not_sent' })
    t.equal(emulator.recorder.requests.length, 0)
  })
  await t.test('NODE_EXTRA_CA_CERTS', async t => {
    t.equal((await create(start(t, { NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem') }), 2)).status, 201)
    t.strictSame(tunnels, [])
  })
  await t.test('HTTPS_PROXY: both hosts are reached through it, still verified', async t => {
    const program = start(t, { NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem'), HTTPS_PROXY: proxyUrl })
    t.equal((await create(program, 3)).status, 201)
    t.ok(tunnels.length >= 2)
    t.ok(tunnels.every(target => origin.endsWith(target)))
    t.notMatch(program.lines.join('\n'), /hunter2/)
    t.match((await create(start(t, { HTTPS_PROXY: proxyUrl }), 4)).json, { code: 'procore_unavailable' })
  })
  await t.test('NO_PROXY', async t => {
    tunnels.length = 0
    t.equal((await create(start(t, { NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem'), HTTPS_PROXY: proxyUrl, NO_PROXY: 'example.com,localhost' }), 5)).status, 201)
    t.strictSame(tunnels, [])
  })
})
