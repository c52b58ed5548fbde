/** Finds a free port for a program that cannot pick one itself. In rare cases another program takes it first. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { getPort } from './listen.ts'

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = getPort(server)
  server.close()
  await once(server, 'close')
  return port
}
