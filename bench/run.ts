/**
 * `npm run bench`: every benchmark after the other, each in a process of its own; prints tables and writes bench/results.
 * `BENCH_SECONDS` (default 3) is the time of a round, `BENCH_ROUNDS` (3) how many there are, `BENCH_ONLY` begins the name of the one
 * contestant, `BENCH_PARTS` names some of the benchmarks, `BENCH_RESULTS` another folder.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

for (const name of process.env['BENCH_PARTS']?.split(',') ?? ['creates', 'uploads', 'growth', 'start', 'scale', 'metrics', 'report']) {
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(`${name}.ts`, import.meta.url))], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
