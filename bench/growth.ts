/**
 * What a JSON create costs as the work grows: connections, size of the body, companies, callers. Each case is a service of its own on the
 * first core; memory is its peak. One dimension grows at a time, the others stay small.
 */
import { cpus } from 'node:os'
import { startProgram } from '../test/helpers/start-program.ts'
import { createServiceContestant, startIssuer } from './contestants.ts'
import { rawLoad } from './socket-load.ts'
import { getTotalCpuMicros, createBody, saveResults, getPeakMegabytes, seconds } from './helpers.ts'
import { growthTable } from './tables.ts'

interface Case {
  what: 'connections' | 'body KB' | 'companies' | 'callers'
  amount: number
  connections?: number
  body?: string
  companies?: number
  callers?: number
}

/** Requests at a time: more than Procore's connections and its waiting line take would be refused. */
const activeMax = 512
const share = Math.min(1, seconds / 3)
const trimForQuickRun = (amounts: number[]) => share === 1 ? amounts : amounts.slice(0, 2)
const cases: Case[] = [
  ...trimForQuickRun([1, 10, 100, 1000, 10_000]).map(amount => ({ what: 'connections' as const, amount, connections: amount })),
  ...trimForQuickRun([0.2, 1, 4, 16, 64, 256]).map(amount => ({ what: 'body KB' as const, amount, body: buildBody(amount * 1000) })),
  ...trimForQuickRun([1, 10, 100, 1000]).map(amount => ({ what: 'companies' as const, amount, companies: amount })),
  ...trimForQuickRun([1, 100, 1000, 10_000, 100_000]).map(amount => ({ what: 'callers' as const, amount, callers: amount })),
]
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const rows = []
for (const one of cases) rows.push({ what: one.what, amount: one.amount, ...await measure(one) })
process.stdout.write(`${growthTable(rows)}\n`)
saveResults('growth.json', { node: process.version, cores: cpus().length, seconds, rows })
upstream.child.kill()

async function measure ({ connections = 16, body = createBody, companies = 1, callers = 1 }: Case): Promise<{ cpuMicros: number, rate: number, peakMegabytes: number }> {
  const { start } = await createServiceContestant(issuer, 'this service', { env: { JSON_MAX_BYTES: '1000000' } })
  const running = await start(upstream.url)
  const tokens = await Promise.all(Array.from({ length: callers }, (_, index) => issuer.sign(`caller-${index}`)))
  const sent = { requests: 0 }
  const request = () => {
    const index = sent.requests++
    return Buffer.from(`POST /companies/${101 + index % companies}/users HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nauthorization: Bearer ${tokens[index % callers]}\r\n\r\n${body}`)
  }
  try {
    const load = { url: running.url, request, connections, active: Math.min(connections, activeMax) }
    // Everybody was there once.
    while (sent.requests < Math.max(callers, companies)) await rawLoad({ ...load, seconds: 1 })
    await rawLoad({ ...load, seconds: Math.min(seconds, 2) })
    const before = getTotalCpuMicros(running.pids)
    const { answered, seconds: elapsed } = await rawLoad({ ...load, seconds })
    return { cpuMicros: (getTotalCpuMicros(running.pids) - before) / answered, rate: answered / elapsed, peakMegabytes: getPeakMegabytes(running.pids) }
  } finally {
    await running.stop()
  }
}

/** A create of about so many bytes, in as many fields as it takes. */
function buildBody (bytes: number): string {
  const user: Record<string, string> = { last_name: 'Doe', email_address: 'jane.doe@example.com' }
  for (const name of ['notes', 'email_signature', 'address', 'origin_data', 'job_title']) {
    const remaining = bytes - JSON.stringify({ user }).length - name.length - 6
    if (remaining > 0) user[name] = 'n'.repeat(Math.min(remaining, 65_000))
  }
  return JSON.stringify({ user })
}
