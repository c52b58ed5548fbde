/** Reads the panels of the dashboard, and sends the requests that fill them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type, type Static } from '@sinclair/typebox'
import { assertSchema } from './assert-schema.ts'
import { jane, multipartBody, send, sendJson, sendMultipart } from './requests.ts'
import { root } from './spawn-program.ts'

const UnitSchema = Type.Union([
  Type.Literal('none'), Type.Literal('short'), Type.Literal('percentunit'), Type.Literal('s'), Type.Literal('reqps'),
  Type.Literal('ops'), Type.Literal('Bps'), Type.Literal('bytes'),
])
const ThresholdSchema = Type.Object({
  color: Type.Union([Type.Literal('red'), Type.Literal('orange'), Type.Literal('green')]),
  value: Type.Union([Type.Number(), Type.Null()]),
})
const panelBase = {
  title: Type.String(),
  gridPos: Type.Object({ x: Type.Integer(), y: Type.Integer(), w: Type.Integer(), h: Type.Integer() }),
}
const targets = Type.Array(Type.Object({ expr: Type.String(), legendFormat: Type.String() }), { minItems: 1 })
const fieldConfig = Type.Object({
  defaults: Type.Object({
    unit: UnitSchema,
    decimals: Type.Optional(Type.Integer()),
    thresholds: Type.Optional(Type.Object({ steps: Type.Array(ThresholdSchema) })),
  }),
})
const PanelSchema = Type.Union([
  Type.Object({ ...panelBase, type: Type.Literal('row'), targets: Type.Optional(Type.Never()) }),
  Type.Object({ ...panelBase, type: Type.Literal('stat'), targets, fieldConfig }),
  Type.Object({ ...panelBase, type: Type.Literal('timeseries'), targets, fieldConfig }),
])
const DashboardSchema = Type.Object({
  title: Type.String(),
  annotations: Type.Object({ list: Type.Array(Type.Object({ name: Type.String(), expr: Type.String() })) }),
  panels: Type.Array(PanelSchema),
})
export type Panel = Static<typeof PanelSchema>
export type Unit = Static<typeof UnitSchema>

export const dashboard = assertSchema(
  DashboardSchema, JSON.parse(await readFile(join(root, 'docs/operate/dashboard.json'), 'utf8'))
)

/** Replaces the variables of Grafana: all replicas, and rates over so long. */
export function resolveVariables (expr: string, rateInterval = '1m'): string {
  return expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', rateInterval)
}

/** Sends a request of each kind that a panel shows. @param companyUrl of a service */
export async function sendEachKind (companyUrl: string, email: string): Promise<void> {
  const usersUrl = `${companyUrl}/users`
  const body = { user: { ...jane, email_address: email } }
  await sendJson(usersUrl, body, { 'idempotency-key': email })
  await sendJson(usersUrl, body, { 'idempotency-key': email })
  await sendJson(usersUrl, { user: {} })
  await sendMultipart(usersUrl, multipartBody([
    { name: 'user[last_name]', data: 'Doe' }, { name: 'user[email_address]', data: `form.${email}` },
  ]))
  await send(`${companyUrl}/permission_templates`, { method: 'GET' })
}
