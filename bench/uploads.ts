/**
 * Measures uploads with an avatar: the service and its peers, in turn, each alone on the first core. Processor time is
 * what the kernel counts for the process; memory is its peak minus what it used before.
 */
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { startProgram } from '../test/helpers/start-program.ts'
import {
  createServiceContestant,
  peers,
  runRounds,
  selectContestants,
  startIssuer,
  type Contestant,
  type RunningContestant,
} from './contestants.ts'
import {
  getMegabytes, getPeakMegabytes, getTotalCpuMicros, isQuickRun, resultsFolder, saveResults,
} from './helpers.ts'
import { readUploads, type UploadsMeasurement } from './result-schemas.ts'
import { rawUpload } from './socket-upload.ts'
import { uploadsTable } from './tables.ts'

/** A quick run sends smaller uploads, which are still streamed. */
const share = isQuickRun ? 0.05 : 1
const sizes = [1, 100, 1000]
const counts = [1, 10, 100]
const throughputMegabytes = 100
const throughputCount = 4
const countedMegabytes = 20
const firstByteMegabytes = 20
const warmUpMegabytes = 20
const warmUpCount = 4
/** The naive peer buffers uploads and needs many times their size in memory, so it does not get larger ones. */
const bufferingMaxMegabytes = 200

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
const measurements = await runRounds(selectContestants([...services, ...peers]), measure)
saveResults('uploads.json', { sizes, counts, countedMegabytes, measurements })
process.stdout.write(`${uploadsTable(readUploads(resultsFolder))}\n`)
upstream.child.kill()

async function measure ({ name, headers, start }: Contestant): Promise<UploadsMeasurement> {
  const running = await start(upstream)
  const upload = (megabytes: number, count = 1) => Promise.all(Array.from({ length: count }, () =>
    rawUpload({ url: running.url, headers, avatarBytes: Math.ceil(megabytes * share * 1e6) })))
  const measureUploadMemory = async (megabytes: number, count = 1) => {
    if (name.includes('naive') && megabytes * count > bufferingMaxMegabytes) return NaN
    return measureMemoryGrowth(running, () => upload(megabytes, count))
  }
  try {
    await upload(warmUpMegabytes, warmUpCount)
    const firstByteMs = await measureFirstByte(() => upload(firstByteMegabytes))
    await running.readBlockedMs()
    const microsBefore = getTotalCpuMicros(running.pids)
    const startedAt = performance.now()
    await upload(throughputMegabytes, throughputCount)
    const gigabytes = throughputMegabytes * throughputCount * share / 1000
    const cpuMillisPerGigabyte = (getTotalCpuMicros(running.pids) - microsBefore) / 1000 / gigabytes
    const megabytesPerSecond = gigabytes * 1e6 / (performance.now() - startedAt)
    const bySize = []
    for (const size of sizes) bySize.push(await measureUploadMemory(size))
    const byCount = []
    for (const count of counts) byCount.push(await measureUploadMemory(countedMegabytes, count))
    const blockedMs = await running.readBlockedMs()
    return { cpuMillisPerGigabyte, megabytesPerSecond, firstByteMs, blockedMs, bySize, byCount }
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
