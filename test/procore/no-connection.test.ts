// Tests connections to Procore that cannot be made, and connections that are idle.
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { multipartBody, jane, janeParts, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

// The tests spend most of their time waiting for connections to close.
t.jobs = 2

function startHost (t: Test, onSocket: (socket: Socket) => void): Promise<number> {
  return listen(t, createServer(socket => onSocket(socket.on('error', () => {}))))
}

t.test('a host to which no connection can be made', async t => {
  const plaintextPort = await startHost(t, socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const silentPort = await startHost(t, () => {})
  const unreachable = { status: 502, code: 'procore_unreachable', outcome: 'not_sent' }
  const timedOut = { status: 504, code: 'procore_timeout', outcome: 'not_sent' }
  const hosts = [
    { name: 'its name does not resolve', url: 'https://procore.invalid', expected: unreachable },
    { name: 'no process listens on its port', url: 'http://127.0.0.1:1', expected: unreachable },
    { name: 'it does not speak TLS', url: `https://127.0.0.1:${plaintextPort}`, expected: unreachable },
    { name: 'its TLS handshake never ends', url: `https://127.0.0.1:${silentPort}`, expected: timedOut },
  ]
  const largeForm = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(500_000) }, ...janeParts])
  for (const { name, url, expected } of hosts) {
    await t.test(`${name}: JSON, buffered and streamed forms are not_sent`, async t => {
      const { usersUrl } = await startService(t, { env: { PROCORE_API_URL: url, UPSTREAM_TIMEOUT_MS: '700' } })
      t.match((await sendJson(usersUrl, { user: jane })).json, expected, 'JSON')
      t.match((await sendMultipart(usersUrl, multipartBody(janeParts))).json, expected, 'buffered form')
      t.match((await sendMultipart(usersUrl, largeForm)).json, expected, 'streamed form')
    })
  }
})

t.test('the service closes an idle connection before Procore does', async t => {
  const closed = Promise.withResolvers<void>()
  const port = await startHost(t, socket => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"id":1}')
    })
    socket.once('end', closed.resolve)
  })
  const { usersUrl } = await startService(t, { env: { PROCORE_API_URL: `http://127.0.0.1:${port}` } })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  await t.resolves(closed.promise)
})
