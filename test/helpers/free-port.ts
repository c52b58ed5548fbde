/** A port for a program that can't be asked which one it took; another may take it in between, which on loopback nobody is likely to do. */
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
