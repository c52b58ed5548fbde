// Callers that speak HTTP/1.0 (RFC 9112 §2.5, appendix C): no interim responses, no transfer codings, no connection
// that stays open unless the caller asks for it.
import t from 'tap'
import { jane, RawConnection } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const body = JSON.stringify({ user: jane })

/** Returns a create of HTTP/1.0. It has no Host header, which HTTP/1.0 does not require. */
function createUser (...headers: string[]): string {
  return ['POST /companies/101/users HTTP/1.0', 'content-type: application/json', ...headers, '\r\n'].join('\r\n')
}
const length = `content-length: ${body.length}`

t.test('an HTTP/1.0 create that expects 100-continue is answered without an interim response', async t => {
  const { port } = await startService(t)
  const received = await new RawConnection(port).write(createUser('expect: 100-continue', length) + body).readToEnd()
  t.match(received, /^HTTP\/1\.1 201 Created\r\n/)
})

t.test('an HTTP/1.0 create that expects 100-continue and waits is read when its body arrives', async t => {
  const { port, app } = await startService(t)
  const caller = new RawConnection(port).write(createUser('expect: 100-continue', length))
  await new Promise(resolve => app.fastify.server.once('request', resolve))
  t.equal(caller.received, '')
  t.match(await caller.write(body).readToEnd(), /^HTTP\/1\.1 201 Created\r\n/)
})

t.test('an HTTP/1.0 request with a transfer coding is rejected and its connection closes', async t => {
  const { port, emulator } = await startService(t)
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const caller = new RawConnection(port).write(
    createUser('connection: keep-alive', 'transfer-encoding: chunked') + chunked
  )
  t.match(await caller.readToEnd(), /^HTTP\/1\.1 400 [^]*\r\nconnection: close\r\n[^]*"code":"bad_request"/)
  t.equal(emulator.apiRequests.length, 0)
})

t.test('a response to HTTP/1.0 has a length and no transfer coding', async t => {
  const { port } = await startService(t)
  for (const path of ['/companies/101/users', '/metrics', '/openapi.json', '/nowhere']) {
    await t.test(path, async t => {
      const received = await new RawConnection(port).write(`GET ${path} HTTP/1.0\r\n\r\n`).readToEnd()
      t.match(received, /^HTTP\/1\.1 (200|404) [^]*\r\ncontent-length: \d+\r\n/)
      t.notMatch(received, /transfer-encoding/i)
      t.match(received, /\r\nconnection: close\r\n/i)
    })
  }
})

t.test('an HTTP/1.0 connection stays open if the caller asks for it', async t => {
  const { port } = await startService(t)
  const caller = new RawConnection(port).write('GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n')
  t.match(await caller.readUntil('"live"'), /\r\nconnection: keep-alive\r\n/i)
  caller.write('GET /livez HTTP/1.0\r\n\r\n')
  t.equal((await caller.readToEnd()).split('"live"').length, 3)
})

t.test('a request of another HTTP version than 1.0 and 1.1 is rejected and its connection closes', async t => {
  const { port, emulator } = await startService(t)
  for (const version of ['0.9', '2.0']) {
    await t.test(version, async t => {
      const request = createUser('host: x', length).replace('HTTP/1.0', `HTTP/${version}`)
      const received = await new RawConnection(port).write(request + body).readToEnd()
      t.match(received, /^HTTP\/1\.1 400 [^]*\r\nconnection: close\r\n[^]*"code":"bad_request"/)
    })
  }
  t.equal(emulator.apiRequests.length, 0)
})
