/** Runs Prometheus with deploy/observe/prometheus.yml and the rules of docs/operate, for services on this machine. */
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

const RangeSchema = Type.Object({
  data: Type.Object({
    result: Type.Array(Type.Object({
      metric: Type.Record(Type.String(), Type.String()),
      values: Type.Array(Type.Tuple([Type.Number(), Type.String()])),
    })),
  }),
})
export type Matrix = Static<typeof RangeSchema>['data']['result']

export interface Prometheus { url: string, stop: () => Promise<void> }
interface PrometheusOptions { scrapeInterval?: string, flags?: readonly string[] }

/** Returns the function that evaluates an expression. */
export async function startPrometheus (t: Test, targets: string[]): Promise<(expression: string) => Promise<Vector>> {
  const { url } = await startForTest(t, targets)
  return async query => assertSchema(ResultSchema, await get(url, 'query', { query })).data.result
}

/** Evaluates an expression once a second. @param from,to seconds since 1970 */
export async function queryRange ({ url }: Prometheus, query: string, from: number, to: number): Promise<Matrix> {
  const range = { query, start: String(from), end: String(to), step: '1' }
  return assertSchema(RangeSchema, await get(url, 'query_range', range)).data.result
}

async function get (url: string, path: string, parameters: Record<string, string>): Promise<unknown> {
  const target = `${url}/api/v1/${path}?${new URLSearchParams(parameters)}`
  const { status, text, json } = await send(target, { method: 'GET' })
  if (status !== 200) throw new Error(`Prometheus rejects ${parameters['query']}: ${text}`)
  return json
}

/** Returns the function that finds the exemplars of the series of an expression. */
export async function startPrometheusWithExemplars (
  t: Test, targets: string[]
): Promise<(expression: string) => Promise<Exemplars>> {
  const { url } = await startForTest(t, targets, { flags: ['--enable-feature=exemplar-storage'] })
  return async query => {
    const end = Math.ceil(Date.now() / 1000) + 60
    const range = { query, start: String(end - 600), end: String(end) }
    return assertSchema(ExemplarsSchema, await get(url, 'query_exemplars', range)).data
  }
}

/** Starts Prometheus until the end of the test. */
async function startForTest (t: Test, targets: string[], options?: PrometheusOptions): Promise<Prometheus> {
  const prometheus = await spawnPrometheus(t.testdir(), targets, options)
  t.teardown(prometheus.stop)
  return prometheus
}

/** Starts Prometheus for a test or another program. @param directory for its files, empty */
export async function spawnPrometheus (
  directory: string, targets: string[], { scrapeInterval = '500ms', flags = [] }: PrometheusOptions = {}
): Promise<Prometheus> {
  const rules = await readFile(join(root, 'docs/operate/alerts.yaml'), 'utf8')
  await writeFile(join(directory, 'alerts.yaml'), rules.replace(/interval: \w+/g, 'interval: 500ms'))
  const config = assertSchema(ConfigSchema, parse(await readFile(join(root, 'deploy/observe/prometheus.yml'), 'utf8')))
  await writeFile(join(directory, 'prometheus.yaml'), stringify({
    ...config,
    global: { ...config.global, scrape_interval: scrapeInterval, scrape_timeout: scrapeInterval },
    // The DNS of this machine has no name for the replicas.
    scrape_configs: config.scrape_configs.map(({ dns_sd_configs: _, ...job }) => ({
      ...job, static_configs: [{ targets }],
    })),
  }))
  const address = `127.0.0.1:${await freePort()}`
  const prometheus = spawn('prometheus', [
    `--config.file=${join(directory, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=${address}`, '--log.level=error', ...flags,
  ], { stdio: 'inherit' })
  const stop = async () => {
    prometheus.kill('SIGKILL')
    if (prometheus.exitCode === null && prometheus.signalCode === null) await once(prometheus, 'exit')
  }
  await waitUntil(() => prometheus.exitCode !== null || isReady(`http://${address}/-/ready`))
  return { url: `http://${address}`, stop }
}

async function isReady (url: string): Promise<boolean> {
  try {
    return (await send(url, { method: 'GET' })).status === 200
  } catch {
    return false
  }
}
