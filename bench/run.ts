/**
 * `npm run bench`: runs all benchmarks in turn, each in its own process. They print tables and write bench/results,
 * from which the report updates docs/performance.md.
 *
 * `BENCH_SECONDS` (default 1): duration of a measurement. `BENCH_ROUNDS` (default 5): number of rounds.
 * `BENCH_PARTS`: comma-separated names of the benchmarks to run. `BENCH_RESULTS`: another folder for the results.
 * `BENCH_ONLY`: prefix of the names of the contestants to measure.
 */
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const allParts = ['creates', 'tls', 'uploads', 'forms', 'growth', 'startup', 'scale', 'metrics', 'report']
const busyShareMax = 0.1
const idleCheckMs = 2000

const busyShare = await measureBusyShare()
if (busyShare > busyShareMax) {
  const percent = Math.round(busyShare * 100)
  process.stderr.write(`The machine is ${percent} % busy with other work, so the figures will vary.\n`)
}
const startedAt = performance.now()
for (const part of process.env['BENCH_PARTS']?.split(',') ?? allParts) {
  const partStartedAt = performance.now()
  const program = fileURLToPath(new URL(`${part}.ts`, import.meta.url))
  const { status } = spawnSync(process.execPath, [program], {
    stdio: 'inherit',
    env: { ...process.env, BENCH_BUSY_SHARE: String(busyShare) },
  })
  if (status !== 0) process.exit(1)
  process.stderr.write(`${part}: ${Math.round((performance.now() - partStartedAt) / 1000)} s\n`)
}
process.stderr.write(`All benchmarks: ${Math.round((performance.now() - startedAt) / 1000)} s\n`)

/** Returns the share of all cores that other programs use. */
async function measureBusyShare (): Promise<number> {
  const before = sumCpuTimes()
  await sleep(idleCheckMs)
  const after = sumCpuTimes()
  return 1 - (after.idle - before.idle) / (after.total - before.total)
}

function sumCpuTimes (): { idle: number, total: number } {
  const sums = { idle: 0, total: 0 }
  for (const { times } of cpus()) {
    sums.idle += times.idle
    sums.total += times.user + times.nice + times.sys + times.idle + times.irq
  }
  return sums
}
