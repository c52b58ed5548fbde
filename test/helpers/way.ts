/** A way to a server that can be slow, and that can be made to lead to another server, as an address does after a failover. */
import { connect, createServer } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

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
  })
  return { port: await listen(t, server), leadTo: port => { target = port }, delayBy: ms => { delayMs = ms } }
}
