/**
 * Forms with an avatar: the service beside its peers, each on the first core alone and in turn. Processor time is the kernel's account of
 * the process, memory what it took at most beyond what it had before. Sizes shrink with `BENCH_SECONDS`, for a quick look.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'
import { startProgram } from '../test/helpers/start-program.ts'
import { runRounds, peers, createServiceContestant, startIssuer, type Contestant, type RunningContestant } from './contestants.ts'
import { rawUpload } from './socket-upload.ts'
import { getTotalCpuMicros, saveResults, median, getPeakMegabytes, rounds, seconds } from './helpers.ts'
import { uploadsTable } from './tables.ts'

const share = Math.min(1, seconds / 3)
const sizes = [1, 10, 100, 1000]
const counts = [1, 10, 100]
const [throughputMegabytes, throughputCount, countedMegabytes, firstMegabytes] = [200, 4, 20, 20]
/** The one that gathers forms takes many times their size. */
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
if (upstream.child.stdout !== null) createInterface({ input: upstream.child.stdout }).on('line', () => onBodyStart())
const contestants = [await createServiceContestant(await startIssuer(), 'this service', { env: { AVATAR_MAX_BYTES: '2000000000', UPSTREAM_CONNECTIONS: '128' } }), ...peers]
const measured = await runRounds(contestants, measure)
printReport()
upstream.child.kill()

async function measure ({ name, headers, start }: Contestant): Promise<Measurement> {
  const running = await start(upstream.url)
  const upload = (megabytes: number, count = 1) => Promise.all(Array.from({ length: count }, () => rawUpload({ url: running.url, headers, avatarBytes: Math.ceil(megabytes * share * 1e6) })))
  const growth = async (megabytes: number, count = 1) => {
    if (name.includes('naive') && megabytes * count > bufferingMaxMegabytes) return NaN
    return measureGrowth(running, () => upload(megabytes, count))
  }
  try {
    await upload(20, 4)
    const firstByteMs = await measureFirstByte(() => upload(firstMegabytes))
    const before = getTotalCpuMicros(running.pids)
    const startedAt = performance.now()
    const peakMegabytes = await measureGrowth(running, () => upload(throughputMegabytes, throughputCount))
    const gigabytes = throughputMegabytes * throughputCount * share / 1000
    const cpuMillisPerGigabyte = (getTotalCpuMicros(running.pids) - before) / 1000 / gigabytes
    const megabytesPerSecond = gigabytes * 1e6 / (performance.now() - startedAt)
    const bySize = []
    for (const size of sizes) bySize.push(await growth(size))
    const byCount = []
    for (const count of counts) byCount.push(await growth(countedMegabytes, count))
    return { cpuMillisPerGigabyte, megabytesPerSecond, firstByteMs, peakMegabytes, bySize, byCount }
  } finally {
    await running.stop()
  }
}

/** What the work took of memory at its peak beyond what was in use before, in megabytes. */
async function measureGrowth ({ pids }: RunningContestant, work: () => Promise<unknown>): Promise<number> {
  // The kernel's peak is of the whole life of a process until it is told to begin anew (proc(5), clear_refs).
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = pids.reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000, 0)
  await work()
  return getPeakMegabytes(pids) - before
}

/** From the first byte of a form until its upstream request begins. */
async function measureFirstByte (upload: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  const began = new Promise<number>(resolve => { onBodyStart = () => resolve(performance.now() - startedAt) })
  await upload()
  return began
}

function printReport (): void {
  const rows = [...measured].map(([name, results]) => {
    const getMedian = (figure: (result: Measurement) => number) => median(results.map(figure))
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
  process.stdout.write(`${uploadsTable(rows, sizes, counts, countedMegabytes)}\n`)
  saveResults('uploads.json', { node: process.version, cores: cpus().length, share, rounds, throughputMegabytes, throughputCount, sizes, counts, countedMegabytes, rows, raw: Object.fromEntries(measured) })
}
