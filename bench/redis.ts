/**
 * Measures how much of Redis one create with an idempotency key uses: the processor time of the Redis server, alone on
 * the first core, and its memory. A key is claimed and settled by the service's own store, either one key at a time on
 * each of many connections, as with many replicas, or many keys at once on one connection, which sends them in batches.
 */
import { spawn, spawnSync } from 'node:child_process'
import { hash, randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Secret } from '../src/config/secret.ts'
import { Encryptor } from '../src/storage/encryption.ts'
import { RedisConnection } from '../src/storage/redis.ts'
import { RedisIdempotencyStore } from '../src/storage/redis-idempotency-store.ts'
import { SharedCreates } from '../src/storage/shared-creates.ts'
import { createLog } from '../src/telemetry/logger.ts'
import { monotonicNowMs } from '../src/util/clock.ts'
import { freePort } from '../test/helpers/free-port.ts'
import { rounds, saveResults } from './helpers.ts'
import { formatRounds } from './statistics.ts'
import { markdownTable } from './tables.ts'

interface Measurement {
  /** Processor time of Redis per create. */
  redisMicros: number
  bytes: number
}

/** Body of the response to a create, as long as that of the benchmarks' upstream. */
const responseBody = Buffer.from(JSON.stringify({ id: 381006, name: 'Jane Doe', notes: 'n'.repeat(400) }))
const createCount = 500
const modes = [
  { name: 'with a key, one at a time on 32 connections', connections: 32, concurrency: 1, hasKey: true },
  { name: 'with a key, 64 at once on one connection', connections: 1, concurrency: 64, hasKey: true },
  { name: 'without a key, on one connection', connections: 1, concurrency: 1, hasKey: false },
]

const canPin = cpus().length > 1 && spawnSync('which', ['taskset']).status === 0
if (canPin) spawnSync('taskset', ['-acp', `1-${cpus().length - 1}`, String(process.pid)])
const port = await freePort()
const args = [
  'redis-server', '--port', String(port), '--bind', '127.0.0.1', '--dir', mkdtempSync(join(tmpdir(), 'bench-')),
  '--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction',
]
const [command = '', ...commandArgs] = canPin ? ['taskset', '-c', '0', ...args] : args
const child = spawn(command, commandArgs, { stdio: 'ignore' })
const client = new Redis({ port, retryStrategy: () => 50 })
client.on('error', () => {})
while (client.status !== 'ready') await new Promise(resolve => setTimeout(resolve, 20))

const secret = new Secret('client-secret')
const log = createLog({ level: 'silent' }, { write: () => {} })
const stores = await Promise.all(Array.from({ length: Math.max(...modes.map(mode => mode.connections)) }, async () => {
  const redis = new RedisConnection(new Secret(`redis://127.0.0.1:${port}`), log)
  redis.timeoutMs = 5000
  await redis.start()
  const encryptor = new Encryptor(secret)
  return {
    redis,
    keys: new RedisIdempotencyStore(redis, [new Encryptor(new Secret('state-key'))], encryptor),
    creates: new SharedCreates(redis, [encryptor]),
  }
}))
const measurements = modes.map((): Measurement[] => [])
for (let round = 0; round < rounds; round++) {
  for (const [index, mode] of modes.entries()) measurements[index]?.push(await measure(mode))
}
saveResults('redis.json', { modes, measurements })
process.stdout.write(markdownTable(
  ['create', 'processor time of Redis per create, µs', 'memory of Redis per create, bytes'],
  modes.map(({ name }, index) => [
    name,
    formatRounds((measurements[index] ?? []).map(({ redisMicros }) => redisMicros)),
    formatRounds((measurements[index] ?? []).map(({ bytes }) => bytes)),
  ])
))
await Promise.all(stores.map(({ redis, keys }) => { keys.close(); return redis.close() }))
client.disconnect()
child.kill()

async function measure (mode: typeof modes[number]): Promise<Measurement> {
  await client.flushall()
  await run(mode)
  await client.flushall()
  const bytesBefore = await readInfo('memory', /^used_memory:(\d+)/m)
  const microsBefore = await readCpuMicros()
  await run(mode)
  const micros = await readCpuMicros() - microsBefore
  const bytes = await readInfo('memory', /^used_memory:(\d+)/m) - bytesBefore
  return { redisMicros: micros / createCount, bytes: bytes / createCount }
}

/** Claims and settles the keys, and writes the creates for the lookups of other replicas. */
async function run ({ connections, concurrency, hasKey }: typeof modes[number]): Promise<void> {
  const indices = Array.from({ length: createCount }).keys()
  await Promise.all(stores.slice(0, connections).flatMap(({ keys, creates }) => {
    return Array.from({ length: concurrency }, async () => {
      for (const index of indices) await create(creates, index, hasKey ? keys : undefined)
    })
  }))
  for (const { creates } of stores) creates.write()
  await Promise.all(stores.map(({ redis }) => redis.waitUntilIdle()))
}

/** @param keys undefined for a create without an idempotency key */
async function create (creates: SharedCreates, index: number, keys?: RedisIdempotencyStore): Promise<void> {
  const id = hash('sha256', `${randomUUID()} ${index}`, 'base64url')
  const fingerprint = hash('sha256', id, 'base64url')
  await keys?.claim(id, fingerprint)
  const sentAtMs = monotonicNowMs()
  creates.add({ id, companyId: 101, address: `${id}@example.com` }, sentAtMs)
  await keys?.settle(id, {
    state: 'answered',
    fingerprint,
    procoreRequestId: randomUUID(),
    sentAtMs,
    answeredAtMs: sentAtMs,
    result: { kind: 'success', status: 201, contentType: 'application/json', body: responseBody, recordId: 381006 },
  })
}

async function readCpuMicros (): Promise<number> {
  return 1e6 * (await readInfo('cpu', /^used_cpu_user:([\d.]+)/m) + await readInfo('cpu', /^used_cpu_sys:([\d.]+)/m))
}

async function readInfo (section: string, pattern: RegExp): Promise<number> {
  return Number(pattern.exec(await client.info(section))?.[1] ?? NaN)
}
