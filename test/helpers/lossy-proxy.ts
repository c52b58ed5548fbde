/** A way to a service on which answers to POSTs get lost: the request arrives and is served, and the caller sees its connection reset. */
import { connect, createServer } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface LossyProxy {
  url: string
  /** How many answers still get lost. */
  responsesToDrop: number
}

export async function startLossyProxy (t: Test, targetPort: number): Promise<LossyProxy> {
  const proxy: LossyProxy = { url: '', responsesToDrop: 0 }
  const server = createServer(clientSocket => {
    const serverSocket = connect(targetPort, '127.0.0.1')
    let isPost = false
    clientSocket.on('error', () => serverSocket.destroy()).on('close', () => serverSocket.destroy())
    serverSocket.on('error', () => clientSocket.destroy()).on('close', () => clientSocket.destroy())
    clientSocket.on('data', data => {
      if (/^(POST|OPTIONS|GET) /.test(data.toString('latin1', 0, 8))) isPost = data.toString('latin1', 0, 5) === 'POST '
    }).pipe(serverSocket)
    serverSocket.on('data', data => {
      if (!isPost || proxy.responsesToDrop === 0) return clientSocket.write(data)
      proxy.responsesToDrop--
      clientSocket.resetAndDestroy()
    })
  })
  proxy.url = `http://127.0.0.1:${await listen(t, server)}`
  return proxy
}
