/**
 * Measures JSON creates of 500 bytes over 64 connections: the service with all protections on and its peers, in turn
 * on the first core. Latencies are measured at half of the saturation rate, from the time at which a request was due.
 */
import { startProgram } from '../test/helpers/start-program.ts'
import { createServiceContestant, peers, selectContestants, startIssuer } from './contestants.ts'
import { connections, measureSaturation, measureWarm, type WarmContestant } from './create-load.ts'
import { getPeakMegabytes, getTotalCpuMicros, resultsFolder, saveResults, seconds } from './helpers.ts'
import { readCreates, type CreatesMeasurement } from './result-schemas.ts'
import { rawLoad } from './socket-load.ts'
import { percentile } from './statistics.ts'
import { createsTable } from './tables.ts'

/** Requests per second that every Node contestant can serve, so that waking an idle core costs all of them the same. */
const sameRate = 4000

const upstream = await startProgram('bench/upstream.ts', {})
const issuer = await startIssuer()
const contestants = selectContestants([
  await createServiceContestant(issuer),
  await createServiceContestant(issuer, 'this service, with a key', { headers: { 'idempotency-key': 'KEY' } }),
  ...peers,
])
saveResults('creates.json', { measurements: await measureWarm(contestants, upstream, measure) })
process.stdout.write(`${createsTable(readCreates(resultsFolder))}\n`)
upstream.child.kill()

async function measure (contestant: WarmContestant): Promise<CreatesMeasurement> {
  const { request, running: { url, pids, readBlockedMs } } = contestant
  await readBlockedMs()
  const { cpuMicros, rate } = await measureSaturation(contestant)
  const load = { url, request, connections, seconds }
  const { latenciesMs } = await rawLoad({ ...load, rate: rate / 2 })
  const microsBefore = getTotalCpuMicros(pids)
  const { responseCount } = await rawLoad({ ...load, rate: sameRate })
  return {
    cpuMicros,
    sameRateMicros: (getTotalCpuMicros(pids) - microsBefore) / responseCount,
    rate,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    blockedMs: await readBlockedMs(),
    peakMegabytes: getPeakMegabytes(pids),
  }
}
