// Dashboard, alerts and runbook agree with the metrics of the service and with each other.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { assertSchema } from '../helpers/assert-schema.ts'
import { parseFamilies, parseSamples } from '../helpers/prometheus-samples.ts'
import { startRedis } from '../helpers/redis.ts'
import { jane, send, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { skipWithoutRedis } from '../helpers/skip-without-redis.ts'
import { root } from '../helpers/spawn-program.ts'

const RulesSchema = Type.Object({
  groups: Type.Array(Type.Object({
    rules: Type.Array(Type.Object({
      alert: Type.Optional(Type.String()),
      record: Type.Optional(Type.String()),
      expr: Type.String(),
      annotations: Type.Optional(Type.Object({ summary: Type.String(), runbook_url: Type.String() })),
    })),
  })),
})
const DashboardSchema = Type.Object({
  annotations: Type.Object({ list: Type.Array(Type.Object({ expr: Type.String() })) }),
  panels: Type.Array(Type.Object({
    id: Type.Integer(),
    title: Type.String({ minLength: 1 }),
    gridPos: Type.Object({ x: Type.Integer(), w: Type.Integer() }),
    targets: Type.Optional(Type.Array(Type.Object({ expr: Type.String() }))),
  })),
})

const read = (file: string) => readFile(join(root, 'docs', file), 'utf8')
const rules = assertSchema(RulesSchema, parse(await read('operate/alerts.yaml'))).groups.flatMap(group => group.rules)
const { annotations, panels } = assertSchema(DashboardSchema, JSON.parse(await read('operate/dashboard.json')))
const runbook = await read('runbook.md')
const panelExpressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
const dashboardExpressions = [...panelExpressions, ...annotations.list.map(({ expr }) => expr)]
const expressions = [...dashboardExpressions, ...rules.map(({ expr }) => expr)]

const metricPattern = /\b(?:procore_bff|nodejs|process)_[a-z0-9_]+/g
const selectorPattern = /((?:procore_bff|nodejs|process)_[a-z0-9_]+)\{([^}]*)\}/g
const namesIn = (expression: string) => expression.match(metricPattern) ?? []
const toFamily = (name: string) => name.replace(/_(bucket|sum|count)$/, '')

t.test('panels and alerts', { skip: skipWithoutRedis }, async t => {
  const redis = await startRedis(t)
  const service = await startService(t, { env: { REDIS_URL: redis.url } })
  await sendJson(service.usersUrl, { user: jane })
  await sendJson(service.usersUrl, { user: {} })
  const { text } = await send(`${service.url}/metrics`, { method: 'GET' })
  const families = parseFamilies(text)

  t.test('name only metrics that exist', async t => {
    t.ok(expressions.length > 40)
    for (const name of expressions.flatMap(namesIn)) {
      t.ok(families.has(name) || families.get(toFamily(name)) === 'histogram', name)
    }
  })
  t.test('name only labels that exist', async t => {
    const labels = new Map<string, Set<string>>()
    for (const { name, labels: found } of parseSamples(text)) {
      labels.set(name, new Set([...labels.get(name) ?? [], ...Object.keys(found)]))
    }
    for (const [, name = '', matchers = ''] of expressions.flatMap(text => [...text.matchAll(selectorPattern)])) {
      for (const [, label = ''] of matchers.matchAll(/(\w+)=~?"/g)) {
        t.ok(label === 'instance' || label === 'job' || labels.get(name)?.has(label), `${name} has the label ${label}`)
      }
    }
  })
  t.test('use every metric of the service', async t => {
    const used = new Set(expressions.flatMap(namesIn).map(toFamily))
    for (const name of families.keys()) if (name.startsWith('procore_bff_')) t.ok(used.has(name), name)
  })
})

t.test('an alert names only label values that exist', async t => {
  const service = await startService(t)
  const { text } = await send(`${service.url}/metrics`, { method: 'GET' })
  const values = new Set(parseSamples(text).flatMap(({ labels }) => Object.values(labels)))
  for (const { expr } of rules) {
    for (const [, value = ''] of expr.matchAll(/(?:code|outcome|result|state|host|status_class)=~?"([^"]*)"/g)) {
      for (const one of value.split('|')) t.ok(values.has(one), `${one} in ${expr}`)
    }
  }
})

t.test('rules and panels select the job of the service, and rules keep its label', async t => {
  const selectorOrName = /\b(?:up|(?:procore_bff|nodejs|process)_[a-z0-9_]+)\b(?:\{[^}]*\})?/g
  for (const selector of expressions.flatMap(text => text.match(selectorOrName) ?? [])) {
    t.match(selector, 'job="procore-bff"')
  }
  for (const { expr } of rules) {
    for (const [, by = ''] of expr.matchAll(/\b(?:sum|min|max)\b(?: by \((.*?)\))?/g)) t.match(by, /^job\b/, expr)
  }
})

t.test('an expression by route selects the proxied routes only', async t => {
  const byRoute = /procore_bff_(?:request_duration_seconds_bucket|received_bytes_total|sent_bytes_total)\{([^}]*)\}/g
  const selectors = expressions.flatMap(text => [...text.matchAll(byRoute)])
  t.ok(selectors.length > 0)
  for (const [selector, labels = ''] of selectors) t.ok(labels.includes('route=~"/companies.*|/rest.*"'), selector)
})

t.test('the duration of requests is shown without imports and files, which take as long as they are large', async t => {
  const durations = expressions.filter(text => text.includes('procore_bff_request_duration_seconds_bucket'))
  t.ok(durations.length > 0)
  for (const text of durations) t.match(text, 'route!~".*/(import|avatar)"')
})

t.test('every recorded series is used, and no other', async t => {
  const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
  const used = new Set(expressions.flatMap(text => text.match(/procore_bff:[a-z0-9:_]+/g) ?? []))
  t.strictSame([...used].sort(), [...recorded].sort())
})

t.test('every alert has a section in the runbook: what it means, where to look, what to do', async t => {
  const alerts = rules.filter(({ alert }) => alert !== undefined)
  for (const { alert = '', annotations } of alerts) {
    t.test(alert, async t => {
      t.equal(annotations?.runbook_url, `https://runbooks.example.com/procore-bff/runbook.md#${alert.toLowerCase()}`)
      const section = runbook.split(/^## /m).find(text => text.startsWith(`${alert}\n`)) ?? ''
      for (const heading of ['**Means**', /\*\*Look\*\*/, /\*\*[Dd]o\*\*/]) t.match(section, heading)
    })
  }
  const sections = [...runbook.matchAll(/^## (ProcoreBff\w+)$/gm)].map(([, name]) => name)
  t.strictSame(sections, alerts.map(({ alert }) => alert), 'in the same order')
})

t.test('the readiness command of the runbook prints whether the service is ready', async t => {
  const [, script = ''] = /`node -e "([^`]+)"`/.exec(runbook) ?? []
  const { url } = await startService(t)
  const command = script.replace('http://127.0.0.1:3000', url)
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', command])
  t.match(stdout, /^200 \{"status":"ready"/)
})

t.test('every panel of the dashboard has an id of its own and lies on the grid', async t => {
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { title, gridPos } of panels) t.ok(gridPos.x + gridPos.w <= 24, title)
})
