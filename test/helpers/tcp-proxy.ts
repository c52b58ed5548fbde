/** A way to a server that can be slow, and that can be made to lead to another server, as an address does after a failover. */
import { connect, createServer } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface TcpProxy {
  port: number
  /** Where new connections lead; those that are open stay where they are. */
  setTarget (port: number): void
  /** How long the answers take. */
  setDelay (ms: number): void
}

export async function startTcpProxy (t: Test, initialTarget: number): Promise<TcpProxy> {
  let target = initialTarget
  let delayMs = 0
  const server = createServer(clientSocket => {
    const serverSocket = connect(target, '127.0.0.1')
    clientSocket.on('error', () => serverSocket.destroy()).on('close', () => serverSocket.destroy())
    serverSocket.on('error', () => clientSocket.destroy()).on('close', () => clientSocket.destroy())
    clientSocket.pipe(serverSocket)
    serverSocket.on('data', data => { setTimeout(() => clientSocket.write(data), delayMs) })
  })
  return { port: await listen(t, server), setTarget: port => { target = port }, setDelay: ms => { delayMs = ms } }
}
