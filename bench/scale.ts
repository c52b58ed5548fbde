/**
 * `npm run bench`: creates by JSON with 1, 2 and 4 replicas, without and with the Redis that they share, without and with a key. It prints
 * a table (medians of several rounds, in turn) and writes bench/results/scale.json. `BENCH_SECONDS` (default 3) is the time of a round,
 * `BENCH_ROUNDS` (3) how many there are, `BENCH_RESULTS` another folder. The load, the upstream, Redis and all replicas share the cores of this machine,
 * so rates show what a create costs, not how far replicas scale; the CPU of a create is counted by the kernel for the replicas alone.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { Pool } from 'undici'
import { startProgram } from '../test/helpers/program.ts'

const seconds = Number(process.env['BENCH_SECONDS'] ?? 3)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)
const concurrency = 64
const body = JSON.stringify({ user: { last_name: 'Doe', first_name: 'Jane', email_address: 'jane.doe@example.com', job_title: 'QA Manager', address: '6305 Carpinteria Ave', city: 'Carpinteria', country_code: 'US', state_code: 'CA', notes: 'n'.repeat(200) } })

interface Case { replicas: number, redis: boolean, keyed: boolean }
interface Measured { createsPerSecond: number, cpuMicros: number, redisCommands: number, redisMicros: number }

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
const cases: Case[] = [1, 2, 4].flatMap(replicas => [false, ...(hasRedis ? [true] : [])].flatMap(redis => [false, true].map(keyed => ({ replicas, redis, keyed }))))
const upstream = await startProgram('bench/upstream.ts', {})
const redis = hasRedis ? await startRedis() : undefined
const results = new Map<Case, Measured[]>(cases.map(one => [one, []]))
for (let round = 0; round < rounds; round++) for (const one of cases) results.get(one)?.push(await measure(one))
report()
upstream.child.kill()
redis?.client.disconnect()
redis?.child.kill()

async function measure ({ replicas, redis: isShared, keyed }: Case): Promise<Measured> {
  const services = await Promise.all(Array.from({ length: replicas }, () => startProgram('src/main.ts', {
    PORT: '0',
    PROCORE_API_URL: upstream.url,
    PROCORE_LOGIN_URL: upstream.url,
    PROCORE_CLIENT_ID: 'client',
    PROCORE_CLIENT_SECRET: 'secret',
    CALLER_AUTH: 'none',
    TRUSTED_PROXIES: '127.0.0.1',
    CALLER_RATE_PER_MINUTE: '10000000',
    ...(isShared && redis !== undefined && { REDIS_URL: redis.url }),
  })))
  const pools = services.map(({ url }) => new Pool(url, { connections: Math.ceil(concurrency / replicas) }))
  await load(pools, keyed, 1)
  await redis?.client.call('CONFIG', 'RESETSTAT')
  const before = services.map(({ child }) => cpuMicrosOf(child))
  const startedAt = performance.now()
  const creates = await load(pools, keyed, seconds)
  const elapsedSeconds = (performance.now() - startedAt) / 1000
  const cpuMicros = services.reduce((sum, { child }, index) => sum + cpuMicrosOf(child) - (before[index] ?? 0), 0)
  const stats = await redisStats()
  await Promise.all(pools.map(pool => pool.close()))
  for (const { child } of services) child.kill()
  return { createsPerSecond: creates / elapsedSeconds, cpuMicros: cpuMicros / creates, redisCommands: stats.calls / creates, redisMicros: stats.micros / creates }
}

/** Returns how many creates ended well. */
async function load (pools: readonly Pool[], keyed: boolean, forSeconds: number): Promise<number> {
  const endsAt = performance.now() + forSeconds * 1000
  let creates = 0
  await Promise.all(Array.from({ length: concurrency }, async (_, index) => {
    while (performance.now() < endsAt) {
      const pool = pools[index % pools.length] ?? raise('no pool')
      const headers = { 'content-type': 'application/json', ...(keyed && { 'idempotency-key': crypto.randomUUID() }) }
      const answer = await pool.request({ method: 'POST', path: '/companies/101/users', headers, body })
      await answer.body.dump()
      if (answer.statusCode !== 201) raise(`status ${answer.statusCode}`)
      creates++
    }
  }))
  return creates
}

function raise (message: string): never {
  throw new Error(message)
}

/** User and system time of a process in microseconds, from the kernel's own account in ticks of 10 ms. */
function cpuMicrosOf ({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** What clients called, scripts as one; what scripts call themselves is in the time. */
async function redisStats (): Promise<{ calls: number, micros: number }> {
  if (redis === undefined) return { calls: 0, micros: 0 }
  const text = await redis.client.info('commandstats')
  const rows = [...text.matchAll(/cmdstat_(\S+?):calls=(\d+),usec=(\d+)/g)].filter(([, name]) => name === 'evalsha' || name === 'eval')
  return { calls: rows.reduce((sum, [, , calls]) => sum + Number(calls), 0), micros: rows.reduce((sum, [, , , micros]) => sum + Number(micros), 0) }
}

async function startRedis (): Promise<{ child: ChildProcess, client: Redis, url: string }> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', mkdtempSync(join(tmpdir(), 'bench-')), '--save', '', '--appendonly', 'yes'], { stdio: 'ignore' })
  const client = new Redis({ port, retryStrategy: () => 50 })
  client.on('error', () => {})
  while (client.status !== 'ready') await new Promise(resolve => setTimeout(resolve, 20))
  return { child, client, url: `redis://127.0.0.1:${port}` }
}

function median (numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN
}

function report (): void {
  const rows = cases.map(one => {
    const measured = results.get(one) ?? []
    const of = (name: keyof Measured) => median(measured.map(result => result[name]))
    return { ...one, createsPerSecond: Math.round(of('createsPerSecond')), cpuMicros: Math.round(of('cpuMicros')), redisCommands: Math.round(of('redisCommands') * 10) / 10, redisMicros: Math.round(of('redisMicros')) }
  })
  const baseMicros = rows[0]?.cpuMicros ?? NaN
  process.stdout.write('| replicas | Redis | key | creates/s | CPU per create, against one replica alone | Redis calls per create | Redis time per create |\n|---|---|---|---|---|---|---|\n')
  for (const { replicas, redis, keyed, createsPerSecond, cpuMicros, redisCommands, redisMicros } of rows) {
    process.stdout.write(`| ${replicas} | ${redis ? 'yes' : 'no'} | ${keyed ? 'yes' : 'no'} | ${createsPerSecond} | ${(cpuMicros / baseMicros).toFixed(2)} | ${redis ? redisCommands : '-'} | ${redis ? `${redisMicros} µs` : '-'} |\n`)
  }
  const directory = process.env['BENCH_RESULTS'] ?? fileURLToPath(new URL('results', import.meta.url))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'scale.json'), `${JSON.stringify({ node: process.version, cores: cpus().length, seconds, rounds, concurrency, rows, raw: [...results.values()] }, undefined, 2)}\n`)
}
