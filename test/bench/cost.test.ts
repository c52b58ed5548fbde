// Counts the bytes that a JSON create allocates: unlike processor time, they do not depend on the load of the machine.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { Pool } from 'undici'
import { createBody, environmentFor } from '../../bench/helpers.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { getNodeFlags, root } from '../helpers/spawn-program.ts'

const connections = 16
const warmUpCreates = 3000
const countedCreates = 3000

/** Runs of the same code measured 2.9 to 3.1, because garbage collections fall on other requests each time. */
const ratioMax = 3.3

t.test(`a JSON create allocates less than ${ratioMax} times what the bare proxy allocates`, async t => {
  const upstream = await startProbed(t, 'bench/upstream.ts', {})
  const service = await startProbed(t, 'src/main.js', environmentFor(upstream.url))
  const serviceBytes = await measureBytesPerCreate(service)
  const bare = await startProbed(t, 'bench/peers/bare.ts', { UPSTREAM: upstream.url })
  const bareBytes = await measureBytesPerCreate(bare)
  const ratio = serviceBytes / bareBytes
  const ratioText = `${ratio.toFixed(2)} times`
  t.comment(`${Math.round(serviceBytes)} bytes a create, ${Math.round(bareBytes)} in the bare proxy: ${ratioText}`)
  t.ok(bareBytes > 1000)
  t.ok(ratio < ratioMax, ratioText)
})

interface ProbedProgram {
  url: string
  /** Resolves with the bytes that V8 has allocated since the start. */
  getAllocatedBytes (): Promise<number>
}

const listeningLine = Type.Object({ url: Type.String() })
/** Arguments of a `message` event, the second of which is an undefined handle. */
const probeMessages = Type.Tuple([Type.Object({ bytes: Type.Number() }), Type.Undefined()])

async function startProbed (t: Test, file: string, env: Record<string, string>): Promise<ProbedProgram> {
  const execArgv = [...getNodeFlags(file), '--import', join(root, 'test/helpers/allocation-probe.ts')]
  const child = fork(join(root, file), { env, execArgv, silent: true })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  while (!output.includes('"msg":"listening"')) output += String(await once(child.stdout ?? child, 'data'))
  child.stdout?.resume()
  const line = output.split('\n').find(line => line.includes('"msg":"listening"')) ?? '{}'
  return {
    url: assertSchema(listeningLine, JSON.parse(line)).url,
    getAllocatedBytes: async () => {
      child.send('report')
      const messages: unknown = await once(child, 'message')
      return assertSchema(probeMessages, messages)[0].bytes
    },
  }
}

async function measureBytesPerCreate ({ url, getAllocatedBytes }: ProbedProgram): Promise<number> {
  const pool = new Pool(url, { connections })
  await sendCreates(pool, warmUpCreates)
  const bytesBefore = await getAllocatedBytes()
  await sendCreates(pool, countedCreates)
  const bytes = await getAllocatedBytes() - bytesBefore
  await pool.close()
  return bytes / countedCreates
}

async function sendCreates (pool: Pool, count: number): Promise<void> {
  await Promise.all(Array.from({ length: connections }, async () => {
    for (let index = 0; index < count / connections; index++) {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/companies/101/users',
        headers: { 'content-type': 'application/json' },
        body: createBody,
      })
      await body.dump()
      if (statusCode !== 201) throw new Error(`A create ended with status ${statusCode}.`)
    }
  }))
}
