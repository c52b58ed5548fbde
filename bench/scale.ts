/**
 * Creates by JSON with 1, 2 and 4 replicas, without and with the Redis that they share, without and with a key. It prints
 * a table (medians of several rounds, in turn) and writes bench/results/scale.json. The load, the upstream, Redis and all replicas share the cores of this machine,
 * so rates show what a create costs, not how far replicas scale; the CPU of a create is counted by the kernel for the replicas alone.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Pool } from 'undici'
import { freePort } from '../test/helpers/free-port.ts'
import { startProgram } from '../test/helpers/start-program.ts'
import { getCpuMicros, environmentFor, saveResults, runLoad, median, rounds, seconds } from './helpers.ts'

const concurrency = 64

interface Case { replicas: number, redis: boolean, keyed: boolean }
interface Measurement { createsPerSecond: number, cpuMicros: number, redisCommands: number, redisMicros: number }

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
/** Fewer for a quick look: two are no other case than four. */
const replicaCounts = seconds < 1 ? [2] : [1, 2, 4]
const cases: Case[] = replicaCounts.flatMap(replicas => [false, ...(hasRedis ? [true] : [])].flatMap(redis => [false, true].map(keyed => ({ replicas, redis, keyed }))))
const upstream = await startProgram('bench/upstream.ts', {})
const redis = hasRedis ? await startRedis() : undefined
const results = new Map<Case, Measurement[]>(cases.map(one => [one, []]))
for (let round = 0; round < rounds; round++) for (const one of cases) results.get(one)?.push(await measure(one))
printReport()
upstream.child.kill()
redis?.client.disconnect()
redis?.child.kill()

async function measure ({ replicas, redis: isShared, keyed }: Case): Promise<Measurement> {
  const services = await Promise.all(Array.from({ length: replicas }, () => startProgram('src/main.ts', {
    ...environmentFor(upstream.url),
    ...(isShared && redis !== undefined && { REDIS_URL: redis.url }),
  })))
  const pools = services.map(({ url }) => new Pool(url, { connections: Math.ceil(concurrency / replicas) }))
  await runLoad(pools, { concurrency, seconds: Math.min(seconds, 1), keyed })
  await redis?.client.call('CONFIG', 'RESETSTAT')
  const before = services.map(({ child }) => getCpuMicros(child))
  const startedAt = performance.now()
  const creates = await runLoad(pools, { concurrency, seconds, keyed })
  const elapsedSeconds = (performance.now() - startedAt) / 1000
  const cpuMicros = services.reduce((sum, { child }, index) => sum + getCpuMicros(child) - (before[index] ?? 0), 0)
  const stats = await readRedisStats()
  await Promise.all(pools.map(pool => pool.close()))
  for (const { child } of services) child.kill()
  return { createsPerSecond: creates / elapsedSeconds, cpuMicros: cpuMicros / creates, redisCommands: stats.calls / creates, redisMicros: stats.micros / creates }
}

/** What clients called, scripts as one; what scripts call themselves is in the time. */
async function readRedisStats (): Promise<{ calls: number, micros: number }> {
  if (redis === undefined) return { calls: 0, micros: 0 }
  const text = await redis.client.info('commandstats')
  const rows = [...text.matchAll(/cmdstat_(\S+?):calls=(\d+),usec=(\d+)/g)].filter(([, name]) => name === 'evalsha' || name === 'eval')
  return { calls: rows.reduce((sum, [, , calls]) => sum + Number(calls), 0), micros: rows.reduce((sum, [, , , micros]) => sum + Number(micros), 0) }
}

async function startRedis (): Promise<{ child: ChildProcess, client: Redis, url: string }> {
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', mkdtempSync(join(tmpdir(), 'bench-')), '--save', '', '--appendonly', 'yes'], { stdio: 'ignore' })
  const client = new Redis({ port, retryStrategy: () => 50 })
  client.on('error', () => {})
  while (client.status !== 'ready') await new Promise(resolve => setTimeout(resolve, 20))
  return { child, client, url: `redis://127.0.0.1:${port}` }
}

function printReport (): void {
  const rows = cases.map(one => {
    const measured = results.get(one) ?? []
    const getMedian = (name: keyof Measurement) => median(measured.map(result => result[name]))
    return { ...one, createsPerSecond: Math.round(getMedian('createsPerSecond')), cpuMicros: Math.round(getMedian('cpuMicros')), redisCommands: Math.round(getMedian('redisCommands') * 10) / 10, redisMicros: Math.round(getMedian('redisMicros')) }
  })
  const baseMicros = rows[0]?.cpuMicros ?? NaN
  process.stdout.write('| replicas | Redis | key | creates/s | CPU per create, against one replica alone | Redis calls per create | Redis time per create |\n|---|---|---|---|---|---|---|\n')
  for (const { replicas, redis, keyed, createsPerSecond, cpuMicros, redisCommands, redisMicros } of rows) {
    process.stdout.write(`| ${replicas} | ${redis ? 'yes' : 'no'} | ${keyed ? 'yes' : 'no'} | ${createsPerSecond} | ${(cpuMicros / baseMicros).toFixed(2)} | ${redis ? redisCommands : '-'} | ${redis ? `${redisMicros} µs` : '-'} |\n`)
  }
  saveResults('scale.json', { node: process.version, cores: cpus().length, seconds, rounds, concurrency, rows, raw: [...results.values()] })
}
