/**
 * Compares two processes that share a port with one process, without Redis and a key and with both. The load, the
 * upstream, Redis and all processes share the cores of this machine, so that only the processor time of a create says
 * what more cores would carry.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../test/helpers/free-port.ts'
import { startProgram } from '../../test/helpers/start-program.ts'
import {
  buildCreateRequest, environmentFor, getMegabytes, getTotalCpuMicros, rounds, saveResults, seconds,
} from '../helpers.ts'
import { rawLoad } from '../socket-load.ts'
import { divideRounds, formatRounds, percentile } from '../statistics.ts'
import { markdownTable } from '../tables.ts'

interface Measurement {
  cpuMicros: number
  rate: number
  p99Ms: number
  megabytes: number
}

const connections = 64
const warmUpRequests = 4000
const directory = mkdtempSync(join(tmpdir(), 'bench-'))
const redisPort = await freePort()
const redis = spawn('redis-server', [
  '--port', String(redisPort), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'yes',
  '--maxmemory-policy', 'noeviction',
], { stdio: 'ignore' })
await sleep(500)
const upstream = await startProgram('bench/upstream.ts', {})
const sharedEnv = { REDIS_URL: `redis://127.0.0.1:${redisPort}` }
const cases = [
  { name: 'one process', file: 'src/main.js', env: {}, base: 0 },
  { name: 'two processes', file: 'bench/alternatives/cluster.ts', env: {}, base: 0 },
  { name: 'one process, Redis, with a key', file: 'src/main.js', env: sharedEnv, base: 2 },
  { name: 'two processes, Redis, with a key', file: 'bench/alternatives/cluster.ts', env: sharedEnv, base: 2 },
]
let keyCount = 0
const requestText = buildCreateRequest({})
const keyedText = buildCreateRequest({ 'idempotency-key': 'KEY' })
const requestOf = (hasKey: boolean) => hasKey
  ? () => Buffer.from(keyedText.replace('KEY', `key-${process.pid}-${Date.now()}-${keyCount++}`))
  : () => Buffer.from(requestText)

interface RunningCase {
  url: string
  child: ChildProcess
  pids: number[]
  request: () => Buffer
  measurements: Measurement[]
}

const running: RunningCase[] = []
for (const { file, env } of cases) {
  const { url, child } = await startProgram(file, { ...environmentFor(upstream.url), ...env })
  await sleep(1000)
  const request = requestOf('REDIS_URL' in env)
  for (let count = 0; count < warmUpRequests;) {
    count += (await rawLoad({ url, request, connections, seconds })).responseCount
  }
  const pid = child.pid ?? 0
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  const pids = [pid, ...children === '' ? [] : children.split(' ').map(Number)]
  running.push({ url, child, pids, request, measurements: [] })
}
for (let round = 0; round < rounds; round++) {
  for (const { url, pids, request, measurements } of running) {
    const microsBefore = getTotalCpuMicros(pids)
    const { responseCount, seconds: elapsed, latenciesMs } = await rawLoad({ url, request, connections, seconds })
    measurements.push({
      cpuMicros: (getTotalCpuMicros(pids) - microsBefore) / responseCount,
      rate: responseCount / elapsed,
      p99Ms: percentile(latenciesMs, 0.99),
      megabytes: getMegabytes(pids),
    })
  }
}
for (const { child } of running) child.kill()
redis.kill()
upstream.child.kill()
saveResults('processes.json', { cases, measurements: running.map(({ measurements }) => measurements) })
process.stdout.write(markdownTable(
  ['processes of one pod', 'CPU per create, against one', 'creates/s, against one', 'p99, ms', 'memory, MB'],
  cases.map(({ name, base }, index) => {
    const measured = running[index]?.measurements ?? []
    const baseMeasured = running[base]?.measurements ?? []
    const divide = (get: (measurement: Measurement) => number) =>
      formatRounds(divideRounds(measured.map(get), baseMeasured.map(get)), 2)
    return [
      name,
      divide(({ cpuMicros }) => cpuMicros),
      divide(({ rate }) => rate),
      formatRounds(measured.map(({ p99Ms }) => p99Ms), 1),
      formatRounds(measured.map(({ megabytes }) => megabytes)),
    ]
  })
))
