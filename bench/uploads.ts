/**
 * Measures uploads with an avatar: the service and its peers, in turn, each alone on the first core. Processor time is
 * what the kernel counts for the process; memory is its peak minus what it used before. With a shorter `BENCH_SECONDS`
 * the uploads are smaller, for a quick run.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'
import { startProgram } from '../test/helpers/start-program.ts'
import {
  createServiceContestant,
  peers,
  runRounds,
  startIssuer,
  type Contestant,
  type RunningContestant,
} from './contestants.ts'
import { getMegabytes, getPeakMegabytes, getTotalCpuMicros, median, rounds, saveResults, seconds } from './helpers.ts'
import { rawUpload } from './socket-upload.ts'
import { uploadsTable } from './tables.ts'

const share = Math.min(1, seconds / 3)
const sizes = [1, 10, 100, 1000]
const counts = [1, 10, 100]
const throughputMegabytes = 200
const throughputCount = 4
const countedMegabytes = 20
const firstByteMegabytes = 20
const warmUpMegabytes = 20
const warmUpCount = 4
/** The naive peer buffers uploads and needs many times their size in memory, so it does not get larger ones. */
const bufferingMaxMegabytes = 200

interface Measurement {
  cpuMillisPerGigabyte: number
  megabytesPerSecond: number
  firstByteMs: number
  peakMegabytes: number
  bySize: number[]
  byCount: number[]
}

const upstream = await startProgram('bench/upstream.ts', {})
let onBodyStart = () => {}
if (upstream.child.stdout !== null) {
  createInterface({ input: upstream.child.stdout }).on('line', () => onBodyStart())
}
const issuer = await startIssuer()
const env = { AVATAR_MAX_BYTES: '2000000000', UPSTREAM_CONNECTIONS: '128', CALLER_CONCURRENT_REQUESTS: '1000' }
const services = [
  await createServiceContestant(issuer, 'this service', { env }),
  await createServiceContestant(issuer, 'this service, metadata kept', { env: { ...env, AVATAR_METADATA: 'keep' } }),
]
const measurements = await runRounds([...services, ...peers], measure)
printReport()
upstream.child.kill()

async function measure ({ name, headers, start }: Contestant): Promise<Measurement> {
  const running = await start(upstream.url)
  const upload = (megabytes: number, count = 1) => Promise.all(Array.from({ length: count }, () =>
    rawUpload({ url: running.url, headers, avatarBytes: Math.ceil(megabytes * share * 1e6) })))
  const measureUploadMemory = async (megabytes: number, count = 1) => {
    if (name.includes('naive') && megabytes * count > bufferingMaxMegabytes) return NaN
    return measureMemoryGrowth(running, () => upload(megabytes, count))
  }
  try {
    await upload(warmUpMegabytes, warmUpCount)
    const firstByteMs = await measureFirstByte(() => upload(firstByteMegabytes))
    const microsBefore = getTotalCpuMicros(running.pids)
    const startedAt = performance.now()
    const peakMegabytes = await measureMemoryGrowth(running, () => upload(throughputMegabytes, throughputCount))
    const gigabytes = throughputMegabytes * throughputCount * share / 1000
    const cpuMillisPerGigabyte = (getTotalCpuMicros(running.pids) - microsBefore) / 1000 / gigabytes
    const megabytesPerSecond = gigabytes * 1e6 / (performance.now() - startedAt)
    const bySize = []
    for (const size of sizes) bySize.push(await measureUploadMemory(size))
    const byCount = []
    for (const count of counts) byCount.push(await measureUploadMemory(countedMegabytes, count))
    return { cpuMillisPerGigabyte, megabytesPerSecond, firstByteMs, peakMegabytes, bySize, byCount }
  } finally {
    await running.stop()
  }
}

/** Returns the peak memory during the work minus the memory in use before, in megabytes. */
async function measureMemoryGrowth ({ pids }: RunningContestant, work: () => Promise<unknown>): Promise<number> {
  // Linux reports the peak since the process started, unless 5 is written to clear_refs, which resets it (proc(5)).
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = getMegabytes(pids)
  await work()
  return getPeakMegabytes(pids) - before
}

/** Returns the milliseconds from the first byte of an upload until its upstream request begins. */
async function measureFirstByte (upload: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  const elapsedMs = new Promise<number>(resolve => {
    onBodyStart = () => resolve(performance.now() - startedAt)
  })
  await upload()
  return elapsedMs
}

function printReport (): void {
  const rows = [...measurements].map(([name, results]) => {
    const getMedian = (getFigure: (result: Measurement) => number) => median(results.map(getFigure))
    return {
      name,
      cpuMillisPerGigabyte: getMedian(result => result.cpuMillisPerGigabyte),
      megabytesPerSecond: getMedian(result => result.megabytesPerSecond),
      firstByteMs: getMedian(result => result.firstByteMs),
      peakMegabytes: getMedian(result => result.peakMegabytes),
      bySize: sizes.map((_, index) => getMedian(({ bySize }) => bySize[index] ?? NaN)),
      byCount: counts.map((_, index) => getMedian(({ byCount }) => byCount[index] ?? NaN)),
    }
  })
  process.stdout.write(`${uploadsTable({ rows, sizes, counts, countedMegabytes })}\n`)
  saveResults('uploads.json', {
    node: process.version,
    cores: cpus().length,
    share,
    rounds,
    throughputMegabytes,
    throughputCount,
    sizes,
    counts,
    countedMegabytes,
    rows,
    raw: Object.fromEntries(measurements),
  })
}
