/** Starts a server, on a free port by default, and closes it with the test. */
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import type { Test } from 'tap'

/** Resolves with the port. When the test ends, the server is closed and its connections are destroyed. */
export async function listen (t: Test, server: Server, host = '127.0.0.1', port = 0): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return getPort(server)
}

/** Returns the port of a server that listens on TCP. @throws if it does not listen */
export function getPort (server: Pick<Server, 'address'>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('the server does not listen on TCP')
  return address.port
}
