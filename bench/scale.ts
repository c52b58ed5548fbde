/**
 * Measures JSON creates with 1, 2 and 4 replicas, without and with shared Redis, without and with an idempotency key.
 * Prints a table (medians of several rounds, in turn) and writes bench/results/scale.json. The load, the upstream,
 * Redis and all replicas share the cores of this machine: rates show the cost of a create, not how far replicas scale.
 * The processor time of a create is what the kernel counts for the replicas alone.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Pool } from 'undici'
import { freePort } from '../test/helpers/free-port.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import {
  environmentFor, getCpuMicros, isQuickRun, resultsFolder, rounds, runLoad, saveResults, seconds,
} from './helpers.ts'
import { readScale, type ScaleMeasurement } from './result-schemas.ts'
import { scaleTable } from './tables.ts'

const concurrency = 64

interface Case { replicas: number, redis: boolean, hasIdempotencyKey: boolean }

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
/** A quick run measures one count only: two replicas use the same code as four. */
const replicaCounts = isQuickRun ? [2] : [1, 4]
const redisModes = hasRedis ? [false, true] : [false]
const cases: Case[] = replicaCounts.flatMap(replicas =>
  redisModes.flatMap(redis => [false, true].map(hasIdempotencyKey => ({ replicas, redis, hasIdempotencyKey }))))
const upstream = await startProgram('bench/upstream.ts', {})
const redisServer = hasRedis ? await startRedis() : undefined
const results = new Map<Case, ScaleMeasurement[]>(cases.map(scaleCase => [scaleCase, []]))
for (let round = 0; round < rounds; round++) {
  for (const scaleCase of cases) results.get(scaleCase)?.push(await measure(scaleCase))
}
saveResults('scale.json', {
  cases: cases.map(scaleCase => ({ ...scaleCase, measurements: results.get(scaleCase) })),
})
process.stdout.write(`${scaleTable(readScale(resultsFolder))}\n`)
upstream.child.kill()
redisServer?.client.disconnect()
redisServer?.child.kill()

async function measure ({ replicas, redis, hasIdempotencyKey }: Case): Promise<ScaleMeasurement> {
  const services = await Promise.all(Array.from({ length: replicas }, () => startProgram('src/main.js', {
    ...environmentFor(upstream.url),
    ...(redis && redisServer !== undefined && { REDIS_URL: redisServer.url }),
  })))
  const pools = services.map(({ url }) => new Pool(url, { connections: Math.ceil(concurrency / replicas) }))
  await runLoad(pools, { concurrency, seconds: Math.min(seconds, 1), hasIdempotencyKey })
  await redisServer?.client.call('CONFIG', 'RESETSTAT')
  const microsBefore = services.map(({ child }) => getCpuMicros(child))
  const startedAt = performance.now()
  const creates = await runLoad(pools, { concurrency, seconds, hasIdempotencyKey })
  const elapsedSeconds = (performance.now() - startedAt) / 1000
  const cpuMicros = services.reduce(
    (sum, { child }, index) => sum + getCpuMicros(child) - (microsBefore[index] ?? 0),
    0
  )
  const redisStats = await readRedisStats()
  await Promise.all(pools.map(pool => pool.close()))
  for (const { child } of services) child.kill()
  return {
    createsPerSecond: creates / elapsedSeconds,
    cpuMicros: cpuMicros / creates,
    redisRoundTrips: redisStats.roundTrips / creates,
    redisMicros: redisStats.micros / creates,
  }
}

/**
 * Reads what Redis did since its statistics were reset. A round trip is one read of the server: a client may send
 * several commands at once.
 */
async function readRedisStats (): Promise<{ roundTrips: number, micros: number }> {
  if (redisServer === undefined) return { roundTrips: 0, micros: 0 }
  const text = await redisServer.client.info('all')
  // The time of a script includes that of the commands that it calls.
  const micros = [...text.matchAll(/cmdstat_(\S+?):calls=\d+,usec=(\d+)/g)]
    .filter(([, name]) => name === 'evalsha' || name === 'eval')
    .reduce((sum, [, , usec]) => sum + Number(usec), 0)
  return { roundTrips: Number(/^total_reads_processed:(\d+)/m.exec(text)?.[1] ?? NaN), micros }
}

async function startRedis (): Promise<{ child: ChildProcess, client: Redis, url: string }> {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const child = spawn('redis-server', [
    '--port', String(port),
    '--bind', '127.0.0.1',
    '--dir', directory,
    '--save', '',
    '--appendonly', 'yes',
  ], { stdio: 'ignore' })
  const client = new Redis({ port, retryStrategy: () => 50 })
  client.on('error', () => {})
  while (client.status !== 'ready') await new Promise(resolve => setTimeout(resolve, 20))
  return { child, client, url: `redis://127.0.0.1:${port}` }
}
