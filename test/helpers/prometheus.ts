/** Runs Prometheus with deploy/observe/prometheus.yml and the rules of docs/operate, for services of a test. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type, type Static } from '@sinclair/typebox'
import type { Test } from 'tap'
import { parse, stringify } from 'yaml'
import { assertSchema } from './assert-schema.ts'
import { freePort } from './free-port.ts'
import { send } from './requests.ts'
import { root } from './spawn-program.ts'
import { waitUntil } from './wait-until.ts'

export const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0

const ConfigSchema = Type.Object({
  global: Type.Object({}),
  scrape_configs: Type.Array(Type.Object({ dns_sd_configs: Type.Array(Type.Object({})) }), { minItems: 1 }),
})

const ExemplarsSchema = Type.Object({
  data: Type.Array(Type.Object({
    seriesLabels: Type.Record(Type.String(), Type.String()),
    exemplars: Type.Array(Type.Object({ labels: Type.Record(Type.String(), Type.String()), value: Type.String() })),
  })),
})
export type Exemplars = Static<typeof ExemplarsSchema>['data']

const ResultSchema = Type.Object({
  data: Type.Object({
    result: Type.Array(Type.Object({
      metric: Type.Record(Type.String(), Type.String()),
      value: Type.Tuple([Type.Number(), Type.String()]),
    })),
  }),
})
export type Vector = Static<typeof ResultSchema>['data']['result']

/** Returns the function that evaluates an expression. */
export async function startPrometheus (t: Test, targets: string[]): Promise<(expression: string) => Promise<Vector>> {
  const prometheusUrl = await spawnPrometheus(t, targets)
  return async expression => {
    const url = `${prometheusUrl}/api/v1/query?query=${encodeURIComponent(expression)}`
    const { status, text, json } = await send(url, { method: 'GET' })
    if (status !== 200) throw new Error(`Prometheus rejects ${expression}: ${text}`)
    return assertSchema(ResultSchema, json).data.result
  }
}

/** Returns the function that finds the exemplars of the series of an expression. */
export async function startPrometheusWithExemplars (
  t: Test, targets: string[]
): Promise<(expression: string) => Promise<Exemplars>> {
  const prometheusUrl = await spawnPrometheus(t, targets, '--enable-feature=exemplar-storage')
  return async expression => {
    const end = Math.ceil(Date.now() / 1000) + 60
    const parameters = new URLSearchParams({ query: expression, start: String(end - 600), end: String(end) })
    const { json } = await send(`${prometheusUrl}/api/v1/query_exemplars?${parameters}`, { method: 'GET' })
    return assertSchema(ExemplarsSchema, json).data
  }
}

/** Returns the URL of Prometheus, which runs until the end of the test. */
async function spawnPrometheus (t: Test, targets: string[], ...flags: string[]): Promise<string> {
  const directory = t.testdir()
  const rules = await readFile(join(root, 'docs/operate/alerts.yaml'), 'utf8')
  await writeFile(join(directory, 'alerts.yaml'), rules.replace(/interval: \w+/g, 'interval: 500ms'))
  const config = assertSchema(ConfigSchema, parse(await readFile(join(root, 'deploy/observe/prometheus.yml'), 'utf8')))
  await writeFile(join(directory, 'prometheus.yaml'), stringify({
    ...config,
    global: { ...config.global, scrape_interval: '500ms', scrape_timeout: '500ms' },
    // The DNS of a test has no name for the replicas.
    scrape_configs: config.scrape_configs.map(({ dns_sd_configs: _, ...job }) => ({
      ...job, static_configs: [{ targets }],
    })),
  }))
  const address = `127.0.0.1:${await freePort()}`
  const prometheus = spawn('prometheus', [
    `--config.file=${join(directory, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=${address}`, '--log.level=error', ...flags,
  ], { stdio: 'inherit' })
  t.teardown(async () => {
    prometheus.kill('SIGKILL')
    if (prometheus.exitCode === null && prometheus.signalCode === null) await once(prometheus, 'exit')
  })
  await waitUntil(() => prometheus.exitCode !== null || isReady(`http://${address}/-/ready`))
  return `http://${address}`
}

async function isReady (url: string): Promise<boolean> {
  try {
    return (await send(url, { method: 'GET' })).status === 200
  } catch {
    return false
  }
}
