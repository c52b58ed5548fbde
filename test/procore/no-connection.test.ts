// A connection that can't be made, or that was idle: whatever is told, nothing left here.
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { listen } from '../helpers/listen.ts'
import { multipartBody, jane, janeParts, sendMultipart, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

// Most of the time is waiting for the ends of connections.
t.jobs = 2

const startHost = (t: Test, onSocket: (socket: Socket) => void) => listen(t, createServer(socket => onSocket(socket.on('error', () => {}))))

t.test('no connection: not_sent, for every way of sending', async t => {
  const plain = await startHost(t, socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const silent = await startHost(t, () => {})
  const urls: Record<string, [url: string, status: number, code: string]> = {
    'a name that nobody knows': ['https://procore.invalid', 502, 'procore_unreachable'],
    'a port on which nobody listens': ['http://127.0.0.1:1', 502, 'procore_unreachable'],
    'no TLS on the other side': [`https://127.0.0.1:${plain}`, 502, 'procore_unreachable'],
    'a handshake that never ends': [`https://127.0.0.1:${silent}`, 504, 'procore_timeout'],
  }
  const large = multipartBody([{ name: 'user[avatar]', filename: 'a.png', data: png(500_000) }, ...janeParts])
  for (const [name, [url, status, code]] of Object.entries(urls)) {
    const { usersUrl } = await startService(t, { env: { PROCORE_API_URL: url, UPSTREAM_TIMEOUT_MS: '700' } })
    for (const reply of [await sendJson(usersUrl, { user: jane }), await sendMultipart(usersUrl, multipartBody(janeParts)), await sendMultipart(usersUrl, large)]) {
      t.match(reply.json, { status, code, outcome: 'not_sent' }, name)
    }
  }
})

t.test('an idle connection is closed by us, before the other side would', async t => {
  const closed = Promise.withResolvers<void>()
  const port = await startHost(t, socket => {
    socket.on('data', () => socket.write('HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"id":1}'))
    socket.once('end', closed.resolve)
  })
  const { usersUrl } = await startService(t, { env: { PROCORE_API_URL: `http://127.0.0.1:${port}` } })
  t.equal((await sendJson(usersUrl, { user: jane })).status, 201)
  await t.resolves(closed.promise)
})
