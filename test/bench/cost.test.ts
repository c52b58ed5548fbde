// What a JSON create takes of memory, which a machine's load does not change: beside the least that a proxy in Node takes, in the same run.
// A change that doubles it fails here; what it takes of time is measured by the benchmarks.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pool } from 'undici'
import { createBody, environmentFor } from '../../bench/helpers.ts'
import { root } from '../helpers/spawn-program.ts'

const connections = 16
const warmUp = 3000
const counted = 3000

t.test('a JSON create allocates less than three times what the bare proxy does', { timeout: 110_000 }, async t => {
  const upstream = await start(t, 'bench/upstream.ts', {})
  const service = await bytesPerCreate(await start(t, 'src/main.ts', environmentFor(upstream.url)))
  const bare = await bytesPerCreate(await start(t, 'bench/peers/bare.ts', { UPSTREAM: upstream.url }))
  t.comment(`${Math.round(service)} bytes a create, ${Math.round(bare)} in the bare proxy: ${(service / bare).toFixed(2)} times`)
  t.ok(bare > 1000)
  t.ok(service / bare < 3, `${(service / bare).toFixed(2)} times`)
})

interface Started { url: string, allocated (): Promise<number> }

async function start (t: Test, file: string, env: Record<string, string>): Promise<Started> {
  const child = fork(join(root, file), { env, execArgv: ['--import', join(root, 'test/helpers/allocation-probe.ts')], silent: true })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  while (!text.includes('"msg":"listening"')) text += String(await once(child.stdout ?? child, 'data'))
  child.stdout?.resume()
  const line = text.split('\n').find(line => line.includes('"msg":"listening"')) ?? '{}'
  return {
    url: JSON.parse(line).url,
    allocated: async () => {
      child.send('tell')
      const [{ bytes }] = await once(child, 'message')
      return bytes
    },
  }
}

async function bytesPerCreate ({ url, allocated }: Started): Promise<number> {
  const pool = new Pool(url, { connections })
  await creates(pool, warmUp)
  const before = await allocated()
  await creates(pool, counted)
  const bytes = await allocated() - before
  await pool.close()
  return bytes / counted
}

async function creates (pool: Pool, count: number): Promise<void> {
  await Promise.all(Array.from({ length: connections }, async () => {
    for (let index = 0; index < count / connections; index++) {
      const { statusCode, body } = await pool.request({ method: 'POST', path: '/companies/101/users', headers: { 'content-type': 'application/json' }, body: createBody })
      await body.dump()
      if (statusCode !== 201) throw new Error(`status ${statusCode}`)
    }
  }))
}
