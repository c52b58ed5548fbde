// Dashboard, alerts and runbook: every metric that they name exists, every alert has its page, and rules can be read.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { root } from '../helpers/spawn-program.ts'
import { hasRedis, startRedis } from '../helpers/redis.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { parseFamilies, parseSamples } from '../helpers/prometheus-samples.ts'
import { startService } from '../helpers/service.ts'

const read = (file: string) => readFile(join(root, 'docs/operate', file), 'utf8')
const rules = async (): Promise<Array<{ alert?: string, record?: string, expr: string, annotations?: { summary: string, runbook: string } }>> => parse(await read('alerts.yaml')).groups.flatMap((group: { rules: unknown }) => group.rules)
const panels = async (): Promise<Array<{ type: string, title: string, targets?: Array<{ expr: string }> }>> => JSON.parse(await read('dashboard.json')).panels
const namesIn = (expression: string) => expression.match(/\b(?:procore_bff|nodejs|process)_[a-z0-9_]+/g) ?? []

t.test('every metric that a panel or an alert names exists, and so does every label', { skip: !hasRedis && process.env['CI'] !== 'true' && 'redis-server is not installed' }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  await sendJson(service.usersUrl, { user: jane })
  await sendJson(service.usersUrl, { user: {} })
  const { text } = await send(`${service.url}/metrics`, { method: 'GET' })
  const families = parseFamilies(text)
  const exists = (name: string) => families.has(name) || families.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram'
  const expressions = [...(await panels()).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)), ...(await rules()).map(({ expr }) => expr)]
  t.ok(expressions.length > 40)
  for (const expression of expressions) {
    for (const name of namesIn(expression)) t.ok(exists(name), name)
  }
  const labels = new Map<string, Set<string>>()
  for (const { name, labels: found } of parseSamples(text)) labels.set(name, new Set([...labels.get(name) ?? [], ...Object.keys(found)]))
  for (const expression of expressions) {
    for (const [, name = '', matchers = ''] of expression.matchAll(/((?:procore_bff|nodejs|process)_[a-z0-9_]+)\{([^}]*)\}/g)) {
      for (const [, label = ''] of matchers.matchAll(/(\w+)=~?"/g)) t.ok(label === 'instance' || labels.get(name)?.has(label), `${name} has the label ${label}`)
    }
  }
  const shown = new Set(expressions.flatMap(namesIn).map(name => name.replace(/_(bucket|sum|count)$/, '')))
  for (const name of families.keys()) if (name.startsWith('procore_bff_')) t.ok(shown.has(name), `${name} is looked at`)
})

t.test('every value of a label that an alert asks for is one that there is', async t => {
  const service = await startService(t)
  const values = new Set(parseSamples((await send(`${service.url}/metrics`, { method: 'GET' })).text).flatMap(({ labels }) => Object.values(labels)))
  for (const { expr } of await rules()) {
    for (const [, text = ''] of expr.matchAll(/(?:code|outcome|result|state|host|status_class)=~?"([^"]*)"/g)) {
      for (const value of text.split('|')) t.ok(values.has(value), `${value} in ${expr}`)
    }
  }
})

t.test('what is told by route is shown of the mirrored routes only', async t => {
  for (const expression of [...(await panels()).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)), ...(await rules()).map(({ expr }) => expr)]) {
    for (const [use, labels = ''] of expression.matchAll(/procore_bff_(?:request_duration_seconds_bucket|received_bytes_total|sent_bytes_total)\{([^}]*)\}/g)) t.ok(labels.includes('route=~"/companies.*|/rest.*"'), use)
  }
})

t.test('recorded series are used by the name that they have', async t => {
  const all = await rules()
  const recorded = new Set(all.map(({ record }) => record).filter(Boolean))
  const used = new Set(all.flatMap(({ expr }) => expr.match(/procore_bff:[a-z0-9:_]+/g) ?? []))
  t.strictSame(used, recorded)
})

t.test('every alert has a page in the runbook that says what it means, where to look and what to do', async t => {
  const runbook = await read('runbook.md')
  const alerts = (await rules()).filter(({ alert }) => alert !== undefined)
  for (const { alert = '', annotations } of alerts) {
    t.equal(annotations?.runbook, `runbook.md#${alert.toLowerCase()}`)
    const page = runbook.split(/^## /m).find(section => section.startsWith(`${alert}\n`)) ?? ''
    for (const word of ['**Means**', /\*\*Look\*\*/, /\*\*[Dd]o\*\*/]) t.match(page, word, `${alert} ${word}`)
  }
  const pages = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name]) => name)
  t.strictSame(pages, alerts.map(({ alert }) => alert), 'in the same order')
})

t.test('what the runbook has node do in a container tells whether the service is ready', async t => {
  const [, script = ''] = /`node -e "([^`]+)"`/.exec(await read('runbook.md')) ?? []
  const { url } = await startService(t)
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script.replace('http://127.0.0.1:3000', url)])
  t.match(stdout, /^200 \{"status":"ready"/)
})

t.test('the dashboard: panels with ids of their own, on a grid, each with a title', async t => {
  const ids = new Set<number>()
  for (const panel of JSON.parse(await read('dashboard.json')).panels) {
    t.ok(panel.title !== '' && panel.gridPos.x + panel.gridPos.w <= 24)
    ids.add(panel.id)
  }
  t.equal(ids.size, (await panels()).length)
})
