// The example of docs/adding-an-endpoint.md works as it is printed.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { readPage } from '../helpers/markdown.ts'
import { send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

const DocumentSchema = Type.Object({ paths: Type.Object({}) })
const ModuleSchema = Type.Object({ createTrade: Type.Unsafe<Endpoint>(Type.Object({})) })

t.test('the described endpoint validates, is sent and is documented', async t => {
  const example = readPage('docs/adding-an-endpoint.md').codeBlocks('ts')[0] ?? ''
  t.ok(example.split('\n').length <= 30)
  const file = join(t.testdir(), 'trades.ts')
  await writeFile(file, example
    .replaceAll('from \'./', `from '${pathToFileURL(join(root, 'src/endpoints'))}/`)
    .replace('\'@sinclair/typebox\'', `'${import.meta.resolve('@sinclair/typebox')}'`))
  const module: unknown = await import(pathToFileURL(file).href)
  const { createTrade } = assertSchema(ModuleSchema, { ...Object(module) })
  const { url, emulator } = await startService(t, { endpoints: [createTrade] })
  const trades = `${url}/companies/101/trades`

  emulator.faults.add({ kind: 'status', status: 201, body: '{"id":7}' })
  t.match(await sendJson(trades, { trade: { name: 'Masonry', active: true } }), { status: 201, text: '{"id":7}' })
  const [received] = emulator.apiRequests
  t.match(received, { path: '/rest/v1.0/companies/101/trades' })
  t.equal(received?.body.toString(), '{"trade":{"name":"Masonry","active":true}}')

  const { json } = await sendJson(trades, { trade: { colour: 'red' } })
  t.match(json, { errors: [{ pointer: '/trade/name' }, { pointer: '/trade/colour' }] })
  const { json: document } = await send(`${url}/openapi.json`, { method: 'GET' })
  t.ok('/companies/{company_id}/trades' in assertSchema(DocumentSchema, document).paths)
})
