/** A way to a service on which answers to POSTs get lost: the request arrives and is served, and the caller sees its connection reset. */
import { connect, createServer } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

export interface LossyWay {
  url: string
  /** How many answers still get lost. */
  losses: number
}

export async function startLossyWay (t: Test, to: number): Promise<LossyWay> {
  const way: LossyWay = { url: '', losses: 0 }
  const server = createServer(near => {
    const far = connect(to, '127.0.0.1')
    let isPost = false
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
    near.on('data', data => {
      if (/^(POST|OPTIONS|GET) /.test(data.toString('latin1', 0, 8))) isPost = data.toString('latin1', 0, 5) === 'POST '
    }).pipe(far)
    far.on('data', data => {
      if (!isPost || way.losses === 0) return near.write(data)
      way.losses--
      near.resetAndDestroy()
    })
  })
  way.url = `http://127.0.0.1:${await listen(t, server)}`
  return way
}
