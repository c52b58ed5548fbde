/** A way to a server that can be slow, and that can be made to lead to another server, as an address does after a failover. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Way {
  port: number
  /** Where new connections lead; those that are open stay where they are. */
  leadTo (port: number): void
  /** How long the answers take. */
  delayBy (ms: number): void
}

export async function startWay (t: Test, to: number): Promise<Way> {
  let target = to
  let delayMs = 0
  const server = createServer(near => {
    const far = connect(target, '127.0.0.1')
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
    near.pipe(far)
    far.on('data', data => { setTimeout(() => near.write(data), delayMs) })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { port, leadTo: port => { target = port }, delayBy: ms => { delayMs = ms } }
}
