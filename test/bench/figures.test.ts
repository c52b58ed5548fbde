// The benchmarks run, and what the README says of them is what was measured.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { renderChart, fillTables } from '../../bench/report.ts'
import { root } from '../helpers/spawn-program.ts'
import { codeBlocks, readme, tableRows } from '../helpers/readme.ts'

const exec = promisify(execFile)

t.test('the command stands in the README', async t => {
  t.ok(codeBlocks('sh').includes('npm run bench'))
})

t.test('the benchmark, for a moment, writes the table that stands here', { timeout: 110_000 }, async t => {
  const { stdout } = await exec('bash', ['-c', 'npm run --silent bench'], { cwd: root, env: { ...process.env, BENCH_SECONDS: '0.2', BENCH_ROUNDS: '1', BENCH_ONLY: 'this service', BENCH_PARTS: 'scale,metrics', BENCH_RESULTS: t.testdir() } })
  const heads = stdout.split('\n').filter(line => line.startsWith('| replicas |'))
  t.equal(heads.length, 1)
  t.ok(readme.includes(heads[0] ?? '?'))
  t.match(stdout, /^Noting a request in the metrics costs \d+\.\d % of the processor time of a create\.$/m)
})

t.test('tables and chart of what it costs are those of the results that are kept', async t => {
  const results = join(root, 'bench/results')
  t.equal(fillTables(readme, results), readme)
  t.equal(await readFile(join(root, 'docs/bench.svg'), 'utf8'), renderChart(results))
  const { readyMs, cachedReadyMs, knownCallerMicros } = JSON.parse(await readFile(join(results, 'start.json'), 'utf8'))
  for (const figure of [`${Math.round(readyMs)} ms`, `${Math.round(cachedReadyMs)} ms`, `${knownCallerMicros.toFixed(1)} µs`]) t.ok(readme.includes(figure), figure)
})

t.test('the figures of the table are those of the results that are kept', async t => {
  const { rows }: { rows: Array<Record<string, number | boolean>> } = JSON.parse(await readFile(join(root, 'bench/results/scale.json'), 'utf8'))
  const base = Number(rows[0]?.['cpuMicros'])
  t.strictSame(tableRows('replicas').map(([replicas, redis, key, rate, ratio]) => [replicas, redis, key, rate, ratio]), rows.map(({ replicas, redis, keyed, createsPerSecond, cpuMicros }) => [String(replicas), redis === true ? 'yes' : 'no', keyed === true ? 'yes' : 'no', String(createsPerSecond), (Number(cpuMicros) / base).toFixed(2)]))
})

t.test('what metrics cost is what was measured', async t => {
  const { share }: { share: number } = JSON.parse(await readFile(join(root, 'bench/results/metrics.json'), 'utf8'))
  t.ok(share < 0.03)
  t.match(readme, `costs ${(share * 100).toFixed(1)} % of the processor time of a create`)
})
