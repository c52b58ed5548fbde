/**
 * Runs the benchmarks of what the service does not do: HTTP/2 to Procore, several processes in one pod, worker threads.
 * `BENCH_SECONDS` and `BENCH_ROUNDS` as for `npm run bench`.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

for (const part of ['http2', 'processes', 'threads']) {
  const program = fileURLToPath(new URL(`${part}.ts`, import.meta.url))
  const { status } = spawnSync(process.execPath, [program], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
  process.stdout.write('\n')
}
