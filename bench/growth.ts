/**
 * Measures what a JSON create costs as one dimension grows: connections, size of the body, companies or callers. The
 * others stay small. Idle connections send nothing. Each case starts its own service on the first core; memory is the
 * peak of that process, except for idle connections: it is then read while they are open, because the start alone has a
 * higher peak than a thousand of them.
 */
import { startProgram } from '../test/helpers/start-program.ts'
import { createServiceContestant, startIssuer, type RunningContestant } from './contestants.ts'
import {
  createBody,
  fail,
  formatHeaders,
  getMegabytes,
  getPeakMegabytes,
  getTotalCpuMicros,
  isQuickRun,
  resultsFolder,
  rounds,
  saveResults,
  seconds,
} from './helpers.ts'
import { readGrowth, type GrowthMeasurement } from './result-schemas.ts'
import { openConnection, rawLoad } from './socket-load.ts'
import { growthTable } from './tables.ts'

interface Case {
  what: 'idle connections' | 'connections' | 'body KB' | 'companies' | 'callers'
  amount: number
  idleConnections?: number
  connections?: number
  body?: string
  companies?: number
  callers?: number
}

/** Limits the requests in flight: the service rejects more than its connections to Procore and their queue can take. */
const activeMax = 512
const env = { JSON_MAX_BYTES: '1000000', CALLER_CONCURRENT_REQUESTS: String(activeMax) }
const trimForQuickRun = (amounts: number[]) => isQuickRun ? amounts.slice(0, 2) : amounts
const cases: Case[] = [
  ...buildCases('idle connections', [1000, 10_000], amount => ({ idleConnections: amount })),
  ...buildCases('connections', [10, 1000, 10_000], amount => ({ connections: amount })),
  ...buildCases('body KB', [0.2, 16, 256], amount => ({ body: buildBody(amount * 1000) })),
  ...buildCases('companies', [1, 1000], amount => ({ companies: amount })),
  ...buildCases('callers', [1, 30_000], amount => ({ callers: amount })),
]
const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const jwts: string[] = []
const measuredCases = cases.map(({ what, amount, ...growthCase }) => {
  const measurements: GrowthMeasurement[] = []
  return { what, amount, growthCase, measurements }
})
for (let round = 0; round < rounds; round++) {
  for (const { growthCase, measurements } of measuredCases) measurements.push(await measure(growthCase))
}
saveResults('growth.json', {
  cases: measuredCases.map(({ what, amount, measurements }) => ({ what, amount, measurements })),
})
process.stdout.write(`${growthTable(readGrowth(resultsFolder))}\n`)
upstream.child.kill()

function buildCases (what: Case['what'], amounts: number[], buildInput: (amount: number) => Partial<Case>): Case[] {
  return trimForQuickRun(amounts).map(amount => ({ what, amount, ...buildInput(amount) }))
}

async function measure (growthCase: Partial<Case>): Promise<GrowthMeasurement> {
  const { start } = await createServiceContestant(issuer, 'this service', { env })
  const running = await start(upstream)
  try {
    if (growthCase.idleConnections !== undefined) {
      // There is no create to measure.
      return { cpuMicros: NaN, peakMegabytes: await openIdleConnections(running, growthCase.idleConnections) }
    }
    const cpuMicros = await measureCreates(running, growthCase)
    return { cpuMicros, peakMegabytes: getPeakMegabytes(running.pids) }
  } finally {
    await running.stop()
  }
}

/** Returns the processor time of a create. */
async function measureCreates (
  { url, pids }: RunningContestant,
  { connections = 16, body = createBody, companies = 1, callers = 1 }: Partial<Case>
): Promise<number> {
  while (jwts.length < callers) jwts.push(await issuer.sign(`caller-${jwts.length}`))
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
  const load = { url, request, connections, active: Math.min(connections, activeMax), seconds }
  // Each caller and each company sends a request before the measurement, so that nothing is seen for the first time.
  do await rawLoad(load)
  while (sent.requests < Math.max(callers, companies))
  const microsBefore = getTotalCpuMicros(pids)
  const { responseCount } = await rawLoad(load)
  return (getTotalCpuMicros(pids) - microsBefore) / responseCount
}

/** Opens connections that send nothing. Returns the memory while they are open. */
async function openIdleConnections ({ url, pids }: RunningContestant, count: number): Promise<number> {
  const { hostname, port } = new URL(url)
  const sockets = await Promise.all(Array.from({ length: count }, () => openConnection(hostname, Number(port))))
  const megabytes = getMegabytes(pids)
  for (const socket of sockets) socket.destroy()
  return megabytes
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
