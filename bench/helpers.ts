/** What every benchmark here does: put a service or a peer under load, read the kernel's account of its processor time, take medians. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'undici'

/** A create of about 500 bytes. */
export const createBody = JSON.stringify({ user: { last_name: 'Doe', first_name: 'Jane', email_address: 'jane.doe@example.com', job_title: 'QA Manager', address: '6305 Carpinteria Ave', city: 'Carpinteria', country_code: 'US', state_code: 'CA', notes: 'n'.repeat(200) } })

/** How long one round lasts. */
export const seconds = Number(process.env['BENCH_SECONDS'] ?? 3)
/** How many rounds there are, in turn. */
export const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)

/** What the service needs to send to a host that is no Procore. */
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

/** How much is asked at a time, how long, and whether each create has an Idempotency-Key of its own. */
export interface LoadOptions {
  concurrency: number
  seconds: number
  keyed?: boolean
}

/** Returns how many creates ended well. @throws when one did not end with 201 */
export async function runLoad (pools: readonly Pool[], { concurrency, seconds, keyed = false }: LoadOptions): Promise<number> {
  const endsAt = performance.now() + seconds * 1000
  let creates = 0
  await Promise.all(Array.from({ length: concurrency }, async (_, index) => {
    while (performance.now() < endsAt) {
      const pool = pools[index % pools.length] ?? fail('no pool')
      const headers = { 'content-type': 'application/json', ...(keyed && { 'idempotency-key': crypto.randomUUID() }) }
      const response = await pool.request({ method: 'POST', path: '/companies/101/users', headers, body: createBody })
      await response.body.dump()
      if (response.statusCode !== 201) fail(`status ${response.statusCode}`)
      creates++
    }
  }))
  return creates
}

/** For where only an expression may stand. */
export function fail (message: string): never {
  throw new Error(message)
}

/** User and system time of a process in microseconds, from the kernel's own account in ticks of 10 ms. */
export function getCpuMicros ({ pid }: Pick<ChildProcess, 'pid'>): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** The upper one of two; NaN of none. */
export function median (numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN
}

/** Raw results, for whoever wants more than the table. */
export function saveResults (name: string, results: object): void {
  const directory = process.env['BENCH_RESULTS'] ?? fileURLToPath(new URL('results', import.meta.url))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, name), `${JSON.stringify(results, undefined, 2)}\n`)
}

/** Of several processes together. */
export function getTotalCpuMicros (pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + getCpuMicros({ pid }), 0)
}

/** The most memory that processes ever had in use, in megabytes. */
export function getPeakMegabytes (pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000, 0)
}

/** A table as Markdown. */
export function printTable (heading: string, rows: ReadonlyArray<ReadonlyArray<string | number>>): void {
  process.stdout.write(`${heading}\n${heading.replace(/[^|]+/g, '---')}\n${rows.map(row => `| ${row.join(' | ')} |\n`).join('')}\n`)
}
