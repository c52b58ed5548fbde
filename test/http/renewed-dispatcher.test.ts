// Tests what happens to requests in flight when their connections have reached their lifetime.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { Secret } from '../../src/config/secret.ts'
import { createUpstreamPool, type UpstreamPool } from '../../src/http/connection-pool.ts'
import { listen } from '../helpers/listen.ts'

interface StartedPool extends UpstreamPool {
  /** Sends a request and returns its text. */
  get (): Promise<string>
  /** Resolves with the response to the next request that arrives. */
  nextResponse (): Promise<ServerResponse>
}

/** Starts a server that does not respond by itself, and a pool whose connections take one request each. */
async function startPool (t: Test): Promise<StartedPool> {
  const server = createServer()
  const origin = `http://127.0.0.1:${await listen(t, server)}`
  // Every request finds that the lifetime is over.
  const poolLimits = { maxConnections: 1, connectionLifetimeMs: 0 }
  const { dispatcher, stats } = createUpstreamPool(origin, poolLimits, { url: new Secret(''), noProxy: '' })
  t.teardown(() => dispatcher.destroy())
  const nextResponse = () => new Promise<ServerResponse>(resolve => {
    server.once('request', (_request, response) => resolve(response))
  })
  const get = async () => {
    const { body } = await dispatcher.request({ origin, path: '/', method: 'GET' })
    return body.text()
  }
  return { dispatcher, stats, get, nextResponse }
}

t.test('a request in flight is answered after its connection was replaced, which is closed then', async t => {
  const { get, nextResponse, stats } = await startPool(t)
  const firstResponse = nextResponse()
  const first = get()
  const response = await firstResponse
  const secondResponse = nextResponse()
  const second = get()
  const laterResponse = await secondResponse
  t.equal(stats().busy, 2)
  const closed = once(response.req.socket, 'close')
  response.end('first')
  t.equal(await first, 'first')
  await closed
  t.equal(stats().busy, 1)
  laterResponse.end('second')
  t.equal(await second, 'second')
})

t.test('requests on connections that were replaced are aborted when the pool is destroyed', async t => {
  const { dispatcher, get, nextResponse } = await startPool(t)
  const rejections = []
  for (let count = 0; count < 2; count++) {
    const response = nextResponse()
    rejections.push(t.rejects(get(), { name: 'ClientDestroyedError' }))
    await response
  }
  await dispatcher.destroy()
  await Promise.all(rejections)
  await t.rejects(get(), { name: 'ClientDestroyedError' }, 'no further dispatcher is created')
})
