/** Proxies TCP with a delay. Its target can be changed, as an address does after a failover. */
import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface TcpProxy {
  port: number
  /** Sets the target of new connections. Open connections keep theirs. */
  setTarget (port: number): void
  /** Delays what the target sends. */
  setDelay (ms: number): void
  /** Discards everything that is sent on the connections that are open, as a NAT that has forgotten them does. */
  forgetConnections (): void
}

export async function startTcpProxy (t: Test, initialTarget: number): Promise<TcpProxy> {
  let target = initialTarget
  let delayMs = 0
  const relayed = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, clientSocket => {
    const serverSocket = connect(target, '127.0.0.1')
    clientSocket.on('error', () => serverSocket.destroy()).on('close', () => serverSocket.destroy())
    serverSocket.on('error', () => clientSocket.destroy()).on('close', () => clientSocket.destroy())
    relayed.add(clientSocket)
    clientSocket.on('close', () => relayed.delete(clientSocket))
    clientSocket.on('end', () => { if (relayed.has(clientSocket)) serverSocket.end() })
    clientSocket.on('data', data => { if (relayed.has(clientSocket)) serverSocket.write(data) })
    // A long delay must not keep the process of the test running.
    serverSocket.on('data', data => { setTimeout(() => clientSocket.write(data), delayMs).unref() })
  })
  return {
    port: await listen(t, server),
    setTarget: port => { target = port },
    setDelay: ms => { delayMs = ms },
    forgetConnections: () => relayed.clear(),
  }
}
