/** A server of a test: on a port that the system picks, and gone with the test that made it. */
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import type { Test } from 'tap'

/** Resolves with the port, once it listens; the test's end closes the server and destroys the connections that it still has. */
export async function listen (t: Test, server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return getPort(server)
}

/** The port of a server that listens on TCP, as Node's type does not know. @throws before it listens */
export function getPort (server: Pick<Server, 'address'>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('it does not listen on TCP')
  return address.port
}
