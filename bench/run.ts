/**
 * `npm run bench`: runs all benchmarks in turn, each in its own process. They print tables and write bench/results,
 * from which the report updates docs/performance.md.
 *
 * `BENCH_SECONDS` (default 3): duration of a round. `BENCH_ROUNDS` (default 3): number of rounds.
 * `BENCH_PARTS`: comma-separated names of the benchmarks to run. `BENCH_RESULTS`: another folder for the results.
 * `BENCH_ONLY`: prefix of the names of the contestants to measure.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const allParts = ['creates', 'uploads', 'growth', 'startup', 'scale', 'metrics', 'report']

for (const part of process.env['BENCH_PARTS']?.split(',') ?? allParts) {
  const program = fileURLToPath(new URL(`${part}.ts`, import.meta.url))
  const { status } = spawnSync(process.execPath, [program], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
