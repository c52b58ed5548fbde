/**
 * Measures what a JSON create costs as one dimension grows: connections, size of the body, companies or callers. The
 * others stay small. Each case starts its own service on the first core; memory is the peak of that process.
 */
import { cpus } from 'node:os'
import { startProgram } from '../test/helpers/start-program.ts'
import { createServiceContestant, startIssuer } from './contestants.ts'
import {
  createBody,
  fail,
  formatHeaders,
  getPeakMegabytes,
  getTotalCpuMicros,
  saveResults,
  seconds,
} from './helpers.ts'
import { rawLoad } from './socket-load.ts'
import { growthTable } from './tables.ts'

interface Case {
  what: 'connections' | 'body KB' | 'companies' | 'callers'
  amount: number
  connections?: number
  body?: string
  companies?: number
  callers?: number
}

interface Measurement { cpuMicros: number, rate: number, peakMegabytes: number }

/** Limits the requests in flight: the service rejects more than its connections to Procore and their queue can take. */
const activeMax = 512
const isFullRun = seconds >= 3
const trimForQuickRun = (amounts: number[]) => isFullRun ? amounts : amounts.slice(0, 2)
const cases: Case[] = [
  ...buildCases('connections', [1, 10, 100, 1000, 10_000], amount => ({ connections: amount })),
  ...buildCases('body KB', [0.2, 1, 4, 16, 64, 256], amount => ({ body: buildBody(amount * 1000) })),
  ...buildCases('companies', [1, 10, 100, 1000], amount => ({ companies: amount })),
  ...buildCases('callers', [1, 100, 1000, 10_000, 100_000], amount => ({ callers: amount })),
]
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const rows = []
for (const growthCase of cases) {
  const { what, amount } = growthCase
  rows.push({ what, amount, ...await measure(growthCase) })
}
process.stdout.write(`${growthTable(rows)}\n`)
saveResults('growth.json', { node: process.version, cores: cpus().length, seconds, rows })
upstream.child.kill()

function buildCases (what: Case['what'], amounts: number[], buildInput: (amount: number) => Partial<Case>): Case[] {
  return trimForQuickRun(amounts).map(amount => ({ what, amount, ...buildInput(amount) }))
}

async function measure (growthCase: Case): Promise<Measurement> {
  const { connections = 16, body = createBody, companies = 1, callers = 1 } = growthCase
  const { start } = await createServiceContestant(issuer, 'this service', { env: { JSON_MAX_BYTES: '1000000' } })
  const running = await start(upstream.url)
  const jwts = await Promise.all(Array.from({ length: callers }, (_, index) => issuer.sign(`caller-${index}`)))
  const contentHeaders = formatHeaders({
    host: 'bench',
    'content-type': 'application/json',
    'content-length': String(body.length),
  })
  const sent = { requests: 0 }
  const request = () => {
    const index = sent.requests++
    const path = `/companies/${101 + index % companies}/users`
    const jwt = jwts[index % callers] ?? fail('The case has no callers.')
    return Buffer.from(`POST ${path} HTTP/1.1\r\n${contentHeaders}authorization: Bearer ${jwt}\r\n\r\n${body}`)
  }
  try {
    const load = { url: running.url, request, connections, active: Math.min(connections, activeMax) }
    // Each caller and each company sends a request before the measurement, so that nothing is seen for the first time.
    while (sent.requests < Math.max(callers, companies)) await rawLoad({ ...load, seconds: 1 })
    await rawLoad({ ...load, seconds: Math.min(seconds, 2) })
    const microsBefore = getTotalCpuMicros(running.pids)
    const { responseCount, seconds: elapsed } = await rawLoad({ ...load, seconds })
    return {
      cpuMicros: (getTotalCpuMicros(running.pids) - microsBefore) / responseCount,
      rate: responseCount / elapsed,
      peakMegabytes: getPeakMegabytes(running.pids),
    }
  } finally {
    await running.stop()
  }
}

/** Builds a create of about the given size, spread over as many fields as it takes. */
function buildBody (bytes: number): string {
  const user: Record<string, string> = { last_name: 'Doe', email_address: 'jane.doe@example.com' }
  for (const name of ['notes', 'email_signature', 'address', 'origin_data', 'job_title']) {
    const remaining = bytes - JSON.stringify({ user }).length - name.length - 6
    if (remaining > 0) user[name] = 'n'.repeat(Math.min(remaining, 65_000))
  }
  return JSON.stringify({ user })
}
