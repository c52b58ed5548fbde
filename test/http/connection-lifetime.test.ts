// Tests that a connection to Procore is replaced after its lifetime, so that a DNS change is followed.
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { getPort, listen } from '../helpers/listen.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const tokenResponse = '{"access_token":"tok","token_type":"bearer","expires_in":5400}'

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void

interface CountingServer {
  server: Server
  creates: number
  openConnections: number
}

function createCountingServer (): CountingServer {
  const counting: CountingServer = { server: createServer(), creates: 0, openConnections: 0 }
  counting.server.on('request', async (request, response) => {
    await buffer(request)
    const isToken = request.url === '/oauth/token'
    if (!isToken) counting.creates++
    response.writeHead(isToken ? 200 : 201, { 'content-type': 'application/json' })
    response.end(isToken ? tokenResponse : '{"id":7}')
  })
  counting.server.on('connection', socket => {
    counting.openConnections++
    socket.once('close', () => { counting.openConnections-- })
  })
  return counting
}

/** Listens on the same port of two loopback addresses. */
async function listenOnBoth (t: Test, first: Server, second: Server): Promise<number> {
  const port = await listen(t, first, '127.0.0.1')
  second.listen(port, '127.0.0.2')
  await once(second, 'listening')
  t.teardown(() => {
    second.close()
    second.closeAllConnections()
  })
  return getPort(first)
}

t.test('under steady traffic requests follow a DNS change, and none is lost', async t => {
  const oldServer = createCountingServer()
  const newServer = createCountingServer()
  const port = await listenOnBoth(t, oldServer.server, newServer.server)
  let address = '127.0.0.1'
  const lookup = dns.lookup.bind(dns)
  t.intercept(dns, 'lookup', {
    value: (host: string, options: dns.LookupAllOptions, callback: LookupCallback) => {
      if (host === 'procore.test') process.nextTick(callback, null, [{ address, family: 4 }])
      else lookup(host, options, callback)
    },
  })
  const { usersUrl } = await startService(t, {
    procoreUrl: `http://procore.test:${port}`,
    env: { PROCORE_ALLOW_HTTP: 'true', UPSTREAM_CONNECTION_LIFETIME_MS: '300', CALLER_RATE_PER_MINUTE: '0' },
  })
  const statuses = new Set<number>()
  const create = async () => { statuses.add((await sendJson(usersUrl, { user: jane })).status) }
  const createUntil = async (isDone: () => boolean) => {
    while (!isDone()) await create()
  }
  const createConcurrently = (isDone: () => boolean) => Promise.all([1, 2, 3, 4].map(() => createUntil(isDone)))
  await createConcurrently(() => oldServer.creates >= 20)
  t.equal(newServer.creates, 0)
  address = '127.0.0.2'
  await createConcurrently(() => newServer.creates > 20 && oldServer.openConnections === 0)
  const { creates } = oldServer
  await createConcurrently(() => newServer.creates > 60)
  t.equal(oldServer.creates, creates, 'the old address gets no more requests')
  t.strictSame(statuses, new Set([201]))
})
