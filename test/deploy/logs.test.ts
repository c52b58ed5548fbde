// The configurations of deploy/logs rename the fields that a service writes, to the names of docs/observability.md.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { readPage } from '../helpers/markdown.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

const read = (file: string) => readFile(join(root, 'deploy/logs', file), 'utf8')
const names = readPage('docs/observability.md').tableRows('log field').map(([field, ecs]) => [field, ecs])
const withoutTime = names.filter(([field]) => field !== 'time')

const SinkSchema = Type.Object({
  inputs: Type.Array(Type.String()), data_stream: Type.Object({ dataset: Type.String() }),
})
const VectorSchema = Type.Object({
  transforms: Type.Object({
    mapped: Type.Object({ source: Type.String() }),
    by_kind: Type.Object({ route: Type.Object({ audit: Type.String() }) }),
  }),
  sinks: Type.Object({ audit: SinkSchema, access: SinkSchema }),
})

t.test('every renamed field is in a line of the service', async t => {
  const issuer = await startIssuer(t)
  const { usersUrl, lines } = await startService(t, { env: issuer.env })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await sendJson(usersUrl, { user: jane }, { ...bearerHeader(await issuer.sign()), traceparent })
  await sendJson(usersUrl, { user: jane })
  const written = new Set(lines.flatMap(line => Object.keys(line)))
  for (const [field = ''] of names) t.ok(written.has(field), field)
})

t.test('Vector gives the fields the names of the table, and audit lines a data stream of their own', async t => {
  const { transforms, sinks } = assertSchema(VectorSchema, parse(await read('vector.yaml')))
  const { source } = transforms.mapped
  const renamed = [...source.matchAll(/^ *\.(\S+) = del\(line\.(\w+)\)$/gm)].map(([, ecs, field]) => [field, ecs])
  t.strictSame(renamed, withoutTime)
  t.match(source, '."@timestamp" = parse_timestamp!(del(line.time)')
  t.equal(transforms.by_kind.route.audit, '.procore_bff.name == "audit"')
  t.strictSame([sinks.audit.inputs, sinks.access.inputs], [['by_kind.audit'], ['by_kind._unmatched']])
  t.not(sinks.audit.data_stream.dataset, sinks.access.data_stream.dataset)
})

t.test('Fluent Bit gives the fields the names of the table, and audit lines an index of their own', async t => {
  const text = await read('fluent-bit.conf')
  const renamed = [...text.matchAll(/^ *Rename +(\S+) (\S+)$/gm)].map(([, field, ecs]) => [field, ecs])
  t.strictSame(renamed, withoutTime)
  t.match(await read('fluent-bit-parsers.conf'), /^ *Time_Key +time$/m)
  t.match(text, /^ *Rule +\$name \^audit\$ procore-bff\.audit false$/m)
  const outputs = [...text.matchAll(/\[OUTPUT\]\n(?: +.*\n)+/g)].map(([section]) => section)
  const indices = outputs.map(section => /Match +(\S+)[^]*Index +(\S+)/.exec(section)?.slice(1))
  t.strictSame(indices, [
    ['procore-bff.audit', 'logs-procore_bff.audit-default'], ['procore-bff.access', 'logs-procore_bff.access-default'],
  ])
})
