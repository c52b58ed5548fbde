/** Shared by all benchmarks: load with undici, processor time and memory as Linux reports them, output. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'undici'

/** Content of a JSON create of about 500 bytes. */
export const createBody = JSON.stringify({
  user: {
    last_name: 'Doe',
    first_name: 'Jane',
    email_address: 'jane.doe@example.com',
    job_title: 'QA Manager',
    address: '6305 Carpinteria Ave',
    city: 'Carpinteria',
    country_code: 'US',
    state_code: 'CA',
    notes: 'n'.repeat(200),
  },
})

/** Duration of one measurement. A shorter one is a quick run, which tests use. */
export const seconds = Number(process.env['BENCH_SECONDS'] ?? 1)
export const isQuickRun = seconds < 1
/** Number of rounds; each round measures every contestant once. */
export const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)

/** Folder of the results: bench/results, or `BENCH_RESULTS`. */
export const resultsFolder = process.env['BENCH_RESULTS'] ?? fileURLToPath(new URL('results', import.meta.url))

/** Returns the environment with which the service sends to the upstream instead of Procore. */
export function environmentFor (upstreamUrl: string): Record<string, string> {
  return {
    PORT: '0',
    PROCORE_API_URL: upstreamUrl,
    PROCORE_LOGIN_URL: upstreamUrl,
    PROCORE_CLIENT_ID: 'client',
    PROCORE_CLIENT_SECRET: 'secret',
    CALLER_AUTH: 'none',
    TRUSTED_PROXIES: '127.0.0.1',
    CALLER_RATE_PER_MINUTE: '10000000',
  }
}

export interface LoadOptions {
  /** Number of requests in flight. */
  concurrency: number
  seconds: number
  /** Whether each create has an Idempotency-Key of its own. */
  hasIdempotencyKey?: boolean
}

/** Sends creates until the time is over and returns their number. @throws if a response is not 201 */
export async function runLoad (
  pools: readonly Pool[],
  { concurrency, seconds, hasIdempotencyKey = false }: LoadOptions
): Promise<number> {
  const endsAt = performance.now() + seconds * 1000
  let creates = 0
  await Promise.all(Array.from({ length: concurrency }, async (_, index) => {
    while (performance.now() < endsAt) {
      const pool = pools[index % pools.length] ?? fail('The load has no connection pool.')
      const headers = {
        'content-type': 'application/json',
        ...(hasIdempotencyKey && { 'idempotency-key': crypto.randomUUID() }),
      }
      const response = await pool.request({ method: 'POST', path: '/companies/101/users', headers, body: createBody })
      await response.body.dump()
      if (response.statusCode !== 201) fail(`A create ended with status ${response.statusCode}.`)
      creates++
    }
  }))
  return creates
}

/** Builds a create as HTTP/1.1 text, for load that is written on sockets. */
export function buildCreateRequest (headers: Record<string, string>): string {
  const allHeaders = {
    host: 'bench',
    'content-type': 'application/json',
    'content-length': String(createBody.length),
    ...headers,
  }
  return `POST /companies/101/users HTTP/1.1\r\n${formatHeaders(allHeaders)}\r\n${createBody}`
}

/** Formats the header section, without the empty line that ends it. */
export function formatHeaders (headers: Record<string, string>): string {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
}

/** Throws where the syntax allows only an expression, such as after `??`. */
export function fail (message: string): never {
  throw new Error(message)
}

/** Returns the user and system time of a process in microseconds. Linux counts it in ticks of 10 ms (proc(5), stat). */
export function getCpuMicros ({ pid }: Pick<ChildProcess, 'pid'>): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

export function getTotalCpuMicros (pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + getCpuMicros({ pid }), 0)
}

/** Returns the time that the threads of the processes ran so far, in nanoseconds (proc(5), schedstat). */
export function getCpuNanos (pids: readonly number[]): number {
  const threads = pids.flatMap(pid => readdirSync(`/proc/${pid}/task`).map(thread => `/proc/${pid}/task/${thread}`))
  return threads.reduce((sum, path) => sum + Number(readFileSync(`${path}/schedstat`, 'utf8').split(' ')[0]), 0)
}

/** Returns the current memory of the processes in megabytes. */
export function getMegabytes (pids: readonly number[]): number {
  return sumMegabytes(pids, /VmRSS:\s+(\d+)/)
}

/** Returns how much of the current memory are pages of files, such as Node's program, which processes share. */
export function getFileMegabytes (pids: readonly number[]): number {
  return sumMegabytes(pids, /RssFile:\s+(\d+)/)
}

/** Returns the peak memory of the processes in megabytes. */
export function getPeakMegabytes (pids: readonly number[]): number {
  return sumMegabytes(pids, /VmHWM:\s+(\d+)/)
}

function sumMegabytes (pids: readonly number[], pattern: RegExp): number {
  return pids.reduce((sum, pid) => {
    const kilobytes = pattern.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return sum + Number(kilobytes) / 1000
  }, 0)
}

/**
 * Writes the measurements of one benchmark, with the date and the machine, to the folder of results.
 * Figures that were not measured are NaN, which JSON writes as null.
 */
export function saveResults (name: string, results: object): void {
  const run = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    rounds,
    seconds,
    busyShare: Number(process.env['BENCH_BUSY_SHARE'] ?? NaN),
  }
  mkdirSync(resultsFolder, { recursive: true })
  writeFileSync(join(resultsFolder, name), `${JSON.stringify({ run, ...results }, undefined, 2)}
`)
}
