/**
 * Measures JSON creates of 500 bytes over 64 connections: the service with all protections on and its peers, in turn,
 * each alone on the first core. Processor time is what the kernel counts for the process. Latencies are measured at
 * half of the saturation rate, from the time at which a request was due.
 */
import { cpus } from 'node:os'
import { startProgram } from '../test/helpers/start-program.ts'
import { runRounds, peers, createServiceContestant, startIssuer, type Contestant } from './contestants.ts'
import {
  buildCreateRequest,
  getPeakMegabytes,
  getTotalCpuMicros,
  median,
  rounds,
  saveResults,
  seconds,
} from './helpers.ts'
import { percentile, rawLoad } from './socket-load.ts'
import { createsTable } from './tables.ts'

const connections = 64
/** Requests per second that every Node contestant can serve, so that waking an idle core costs all of them the same. */
const sameRate = 4000
const warmUpRequests = seconds * 20_000

interface Measurement {
  cpuMicros: number
  sameRateMicros: number
  rate: number
  p50: number
  p99: number
  p999: number
  peakMegabytes: number
}

const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const contestants = [
  await createServiceContestant(issuer),
  await createServiceContestant(issuer, 'this service, with a key', { headers: { 'idempotency-key': 'KEY' } }),
  ...peers,
]
const measurements = await runRounds(contestants, measure)
printReport()
upstream.child.kill()

async function measure ({ headers, start }: Contestant): Promise<Measurement> {
  const running = await start(upstream.url)
  const load = { url: running.url, request: createRequestBuilder(headers), connections, seconds }
  try {
    await warmUp(load)
    const microsBefore = getTotalCpuMicros(running.pids)
    const { responseCount, seconds: elapsed } = await rawLoad(load)
    const cpuMicros = (getTotalCpuMicros(running.pids) - microsBefore) / responseCount
    const rate = responseCount / elapsed
    const { latenciesMs } = await rawLoad({ ...load, rate: rate / 2 })
    const sameRateMicrosBefore = getTotalCpuMicros(running.pids)
    const sameRateResult = await rawLoad({ ...load, rate: sameRate })
    const sameRateMicros = (getTotalCpuMicros(running.pids) - sameRateMicrosBefore) / sameRateResult.responseCount
    return {
      cpuMicros,
      sameRateMicros,
      rate,
      p50: percentile(latenciesMs, 0.5),
      p99: percentile(latenciesMs, 0.99),
      p999: percentile(latenciesMs, 0.999),
      peakMegabytes: getPeakMegabytes(running.pids),
    }
  } finally {
    await running.stop()
  }
}

/**
 * Sends a fixed number of requests, not for a fixed time: a slower contestant would otherwise be measured while V8
 * still compiles its code, on the one core that it has.
 */
async function warmUp (load: { url: string, request: () => Buffer, connections: number }): Promise<void> {
  let total = 0
  while (total < warmUpRequests) {
    const { responseCount } = await rawLoad({ ...load, seconds: Math.min(seconds, 2) })
    total += responseCount
  }
}

/** Returns a function that builds the next request. `KEY` in a header is replaced by a different key each time. */
function createRequestBuilder (headers: Record<string, string>): () => Buffer {
  const text = buildCreateRequest(headers)
  if (!text.includes('KEY')) {
    const request = Buffer.from(text)
    return () => request
  }
  let keyCount = 0
  return () => Buffer.from(text.replace('KEY', `key-${process.pid}-${Date.now()}-${keyCount++}`))
}

function printReport (): void {
  const rows = [...measurements].map(([name, results]) => {
    const getMedian = (figure: keyof Measurement) => median(results.map(result => result[figure]))
    const cpuMicros = results.map(result => result.cpuMicros)
    return {
      name,
      cpuMicros: getMedian('cpuMicros'),
      spread: [Math.min(...cpuMicros), Math.max(...cpuMicros)],
      sameRateMicros: getMedian('sameRateMicros'),
      rate: getMedian('rate'),
      p50: getMedian('p50'),
      p99: getMedian('p99'),
      p999: getMedian('p999'),
      peakMegabytes: getMedian('peakMegabytes'),
    }
  })
  process.stdout.write(`${createsTable(rows)}\n`)
  saveResults('creates.json', {
    node: process.version,
    cores: cpus().length,
    seconds,
    rounds,
    connections,
    rows,
    raw: Object.fromEntries(measurements),
  })
}
