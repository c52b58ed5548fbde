/**
 * JSON creates of 500 bytes over 64 connections: the service with all of its protections on, beside its peers, each on the first core alone
 * and in turn. Processor time is the kernel's account of the process; latencies are those at half of its saturation, from when a request was due.
 */
import { cpus } from 'node:os'
import { startProgram } from '../test/helpers/start-program.ts'
import { runRounds, peers, createServiceContestant, startIssuer, type Contestant } from './contestants.ts'
import { percentile, rawLoad } from './socket-load.ts'
import { getTotalCpuMicros, createBody, saveResults, median, getPeakMegabytes, rounds, seconds } from './helpers.ts'
import { createsTable } from './tables.ts'

const connections = 64
/** So much load as every Node contestant carries: what waking a core that sleeps costs is then the same for all. */
const sameRate = 4000
const warmUpRequests = seconds * 20_000

interface Measurement { cpuMicros: number, sameRateMicros: number, rate: number, p50: number, p99: number, p999: number, peakMegabytes: number }

const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const contestants = [await createServiceContestant(issuer), await createServiceContestant(issuer, 'this service, with a key', { headers: { 'idempotency-key': 'KEY' } }), ...peers]
const measured = await runRounds(contestants, measure)
printReport()
upstream.child.kill()

async function measure ({ headers, start }: Contestant): Promise<Measurement> {
  const running = await start(upstream.url)
  const request = buildRequest(headers)
  try {
    await warmUp(running.url, request)
    const before = getTotalCpuMicros(running.pids)
    const { answered, seconds: elapsed } = await rawLoad({ url: running.url, request, connections, seconds })
    const cpuMicros = (getTotalCpuMicros(running.pids) - before) / answered
    const rate = answered / elapsed
    const { latenciesMs } = await rawLoad({ url: running.url, request, connections, seconds, rate: rate / 2 })
    const beforeSame = getTotalCpuMicros(running.pids)
    const same = await rawLoad({ url: running.url, request, connections, seconds, rate: sameRate })
    const sameRateMicros = (getTotalCpuMicros(running.pids) - beforeSame) / same.answered
    return { cpuMicros, sameRateMicros, rate, p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99), p999: percentile(latenciesMs, 0.999), peakMegabytes: getPeakMegabytes(running.pids) }
  } finally {
    await running.stop()
  }
}

/** By requests and not by time: what is slower would be measured while its code is still being compiled, on the core that it has. */
async function warmUp (url: string, request: () => Buffer): Promise<void> {
  for (let answered = 0; answered < warmUpRequests;) answered += (await rawLoad({ url, request, connections, seconds: Math.min(seconds, 2) })).answered
}

/** A key is another one for each request: `KEY` stands for it. */
function buildRequest (headers: Record<string, string>): () => Buffer {
  const lines = Object.entries({ host: 'bench', 'content-type': 'application/json', 'content-length': String(createBody.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const text = `POST /companies/101/users HTTP/1.1\r\n${lines.join('')}\r\n${createBody}`
  if (!text.includes('KEY')) {
    const request = Buffer.from(text)
    return () => request
  }
  let keyCount = 0
  return () => Buffer.from(text.replace('KEY', `key-${process.pid}-${Date.now()}-${keyCount++}`))
}

function printReport (): void {
  const rows = [...measured].map(([name, results]) => {
    const getMedian = (figure: keyof Measurement) => median(results.map(result => result[figure]))
    const cpu = results.map(({ cpuMicros }) => cpuMicros)
    return { name, cpuMicros: getMedian('cpuMicros'), spread: [Math.min(...cpu), Math.max(...cpu)], sameRateMicros: getMedian('sameRateMicros'), rate: getMedian('rate'), p50: getMedian('p50'), p99: getMedian('p99'), p999: getMedian('p999'), peakMegabytes: getMedian('peakMegabytes') }
  })
  process.stdout.write(`${createsTable(rows)}\n`)
  saveResults('creates.json', { node: process.version, cores: cpus().length, seconds, rounds, connections, rows, raw: Object.fromEntries(measured) })
}
