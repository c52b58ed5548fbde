// Tests outgoing connections: verification of certificates, added certificate authorities, and proxies.
import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { listen } from '../helpers/listen.ts'
import { spawnProgram, serviceEnvironment, type Program } from '../helpers/spawn-program.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startTestEmulator } from '../helpers/service.ts'
import { createTlsFiles } from '../helpers/tls-files.ts'

t.test('Procore over TLS, with and without a proxy', async t => {
  const emulator = await startTestEmulator(t)
  const { certFile, key, cert } = await createTlsFiles(t, 'DNS:localhost')
  const tlsServer = createTlsServer({ key, cert }, (request, response) => {
    const { method, headers } = request
    const upstreamRequest = httpRequest(`${emulator.url}${request.url}`, { method, headers }, upstreamResponse => {
      // Interim responses are skipped inside TLS, too.
      request.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      response.writeHead(upstreamResponse.statusCode ?? 500, upstreamResponse.headers)
      upstreamResponse.pipe(response)
    })
    request.pipe(upstreamRequest)
  })
  const origin = `https://localhost:${await listen(t, tlsServer)}`
  const tunnels: string[] = []
  const proxy = createHttpServer().on('connect', ({ url = '' }, socket, head) => {
    tunnels.push(url)
    const [host = '', port] = url.split(':')
    const upstreamSocket = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstreamSocket.write(head)
      socket.pipe(upstreamSocket).pipe(socket)
    })
    for (const either of [socket, upstreamSocket]) either.on('error', () => {})
  })
  const proxyUrl = `http://user:hunter2@localhost:${await listen(t, proxy)}`
  const start = (t: Test, env: Record<string, string>) => {
    const urls = { PROCORE_API_URL: origin, PROCORE_LOGIN_URL: origin }
    return spawnProgram(t, 'src/main.js', { ...serviceEnvironment(emulator), ...urls, ...env })
  }
  const createUser = async (program: Program, companyId: number) => {
    return sendJson(`${await program.listening}/companies/${companyId}/users`, { user: jane })
  }

  await t.test('a certificate of an unknown authority is refused', async t => {
    t.match((await createUser(start(t, {}), 1)).json, { code: 'procore_unavailable', outcome: 'not_sent' })
    t.equal(emulator.recorder.requests.length, 0)
  })
  await t.test('NODE_EXTRA_CA_CERTS adds a certificate authority', async t => {
    t.equal((await createUser(start(t, { NODE_EXTRA_CA_CERTS: certFile }), 2)).status, 201)
    t.strictSame(tunnels, [])
  })
  await t.test('with HTTPS_PROXY both hosts are reached through the proxy and verified', async t => {
    const program = start(t, { NODE_EXTRA_CA_CERTS: certFile, HTTPS_PROXY: proxyUrl })
    t.equal((await createUser(program, 3)).status, 201)
    t.ok(tunnels.length >= 2)
    t.ok(tunnels.every(target => origin.endsWith(target)))
    t.notMatch(program.lines.join('\n'), /hunter2/)
    t.match((await createUser(start(t, { HTTPS_PROXY: proxyUrl }), 4)).json, { code: 'procore_unavailable' })
  })
  await t.test('https_proxy and no_proxy count as well', async t => {
    const env = { NODE_EXTRA_CA_CERTS: certFile, https_proxy: proxyUrl }
    tunnels.length = 0
    t.equal((await createUser(start(t, env), 6)).status, 201)
    t.ok(tunnels.length >= 2)
    tunnels.length = 0
    t.equal((await createUser(start(t, { ...env, no_proxy: 'localhost' }), 7)).status, 201)
    t.strictSame(tunnels, [])
  })
  await t.test('a host in NO_PROXY is reached without the proxy', async t => {
    tunnels.length = 0
    const env = { NODE_EXTRA_CA_CERTS: certFile, HTTPS_PROXY: proxyUrl, NO_PROXY: 'example.com,localhost' }
    t.equal((await createUser(start(t, env), 5)).status, 201)
    t.strictSame(tunnels, [])
  })
})
