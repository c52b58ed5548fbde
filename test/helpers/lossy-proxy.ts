/** Proxies TCP and loses responses to POST: the service serves the request, and the caller sees a connection reset. */
import { connect, createServer } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface LossyProxy {
  url: string
  /** Number of responses that are still lost. */
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
