// A server responds while the request body is still being sent, and resets the connection. It runs in a thread of its
// own, so that this one can be blocked until both have arrived: the next write then fails before Node reads.
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { Pool, type Dispatcher } from 'undici'
import { Secret } from '../../src/config/secret.ts'
import { createUpstreamPool } from '../../src/http/connection-pool.ts'
import { assertSchema } from '../helpers/assert-schema.ts'

/** States that the two threads pass through, in this order. */
const connecting = 0
const received = 1
const blocked = 2
const wasReset = 3

const serverProgram = `
  const { createServer } = require('node:net')
  const { parentPort, workerData: state } = require('node:worker_threads')
  const setState = value => { Atomics.store(state, 0, value); Atomics.notify(state, 0) }
  const server = createServer(socket => socket.once('data', () => {
    setState(${received})
    Atomics.wait(state, 0, ${received})
    socket.once('close', () => setState(${wasReset}))
    const response = 'HTTP/1.1 422 Unprocessable Content\\r\\nContent-Length: 2\\r\\n\\r\\n{}'
    socket.write(response, () => socket.resetAndDestroy())
  }))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

interface EarlyServer {
  url: string
  state: Int32Array<SharedArrayBuffer>
}

async function startServer (t: Test): Promise<EarlyServer> {
  const state = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(serverProgram, { eval: true, workerData: state })
  t.teardown(() => worker.terminate())
  const messages: unknown = await once(worker, 'message')
  const [port] = assertSchema(Type.Tuple([Type.Number()]), messages)
  return { url: `http://127.0.0.1:${port}`, state }
}

/** The second chunk is written after the server has reset the connection, and before its response is read. */
async function * sendInTwoChunks (state: EarlyServer['state']): AsyncGenerator<string> {
  yield 'first'
  while (Atomics.load(state, 0) === connecting) await sleep(1)
  Atomics.store(state, 0, blocked)
  Atomics.notify(state, 0)
  Atomics.wait(state, 0, blocked)
  yield 'second'
}

async function upload (dispatcher: Dispatcher, { url, state }: EarlyServer) {
  const response = await dispatcher.request({
    origin: url,
    path: '/',
    method: 'POST',
    body: Readable.from(sendInTwoChunks(state)),
  })
  return { status: response.statusCode, text: await response.body.text() }
}

t.test('the service reads a response that arrived before the connection was reset', async t => {
  const server = await startServer(t)
  const { dispatcher } = createUpstreamPool(
    server.url, { maxConnections: 1, connectionLifetimeMs: 60_000 }, { url: new Secret(''), noProxy: '' }
  )
  t.teardown(() => dispatcher.destroy())
  t.strictSame(await upload(dispatcher, server), { status: 422, text: '{}' })
})

// If this fails, undici or Node reads the response, and delay-write-errors.ts can be deleted.
t.test('a pool of undici alone loses the response', async t => {
  // The kernel reports the reset or the response first, and the response rarely.
  for (let attempt = 1; attempt <= 10; attempt++) {
    const server = await startServer(t)
    const pool = new Pool(server.url)
    t.teardown(() => pool.destroy())
    const error = await upload(pool, server).then(() => undefined, (error: NodeJS.ErrnoException) => error)
    if (error !== undefined) return t.match(error, { code: /^(ECONNRESET|EPIPE)$/ })
  }
  t.fail('it read the response ten times')
})
