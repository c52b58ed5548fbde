// The benchmarks run, and docs/performance.md shows what they measured.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { fillPage, renderChart } from '../../bench/report.ts'
import { readMetrics, readScale, readStartup } from '../../bench/result-schemas.ts'
import { readPage } from '../helpers/markdown.ts'
import { root } from '../helpers/spawn-program.ts'

const run = promisify(execFile)
const page = readPage('docs/performance.md')
const results = join(root, 'bench/results')

t.test('the page on performance shows the command that runs the benchmarks', async t => {
  t.ok(page.codeBlocks('sh').includes('npm run bench'))
})

t.test('a quick benchmark prints the table and the sentence that the page shows', async t => {
  const env = {
    ...process.env,
    BENCH_SECONDS: '0.2',
    BENCH_ROUNDS: '1',
    BENCH_ONLY: 'this service',
    BENCH_PARTS: 'scale,metrics',
    BENCH_RESULTS: t.testdir(),
  }
  const { stdout } = await run('bash', ['-c', 'npm run --silent bench'], { cwd: root, env })
  const headings = stdout.split('\n').filter(line => line.startsWith('| replicas |'))
  t.equal(headings.length, 1)
  t.ok(page.text.includes(headings[0] ?? '?'))
  t.match(stdout, /^Recording a request in the metrics costs \d+\.\d % of the processor time of a create\.$/m)
})

t.test('the tables and figures of the page are those of the recorded results', async t => {
  t.equal(fillPage(page.text, results), page.text)
})

t.test('the report replaces outdated tables and figures of the page', async t => {
  const outdated = page.text
    .replace(/(?<=^\| this service \| )[\d.]+/gm, '9.99')
    .replace(/(?<=^\| 4 \| yes \| yes \| )\d+/m, '9')
    .replace(/\d+ ms (?=with the compile cache)/, '9 ms ')
    .replace(/(?<=A known caller costs )[\d.]+/, '9.9')
  t.not(outdated, page.text)
  t.equal(fillPage(outdated, results), page.text)
})

t.test('the report rejects a page that lacks a place for a table', async t => {
  t.throws(() => fillPage(page.text.replace('<!-- bench: growth -->', ''), results), /has no text that matches/)
})

t.test('the chart of the page is drawn from the recorded results', async t => {
  t.equal(await readFile(join(root, 'docs/bench.svg'), 'utf8'), renderChart(results))
})

t.test('the startup times of the page are those of the recorded results', async t => {
  const { readyMs, cachedReadyMs, knownCallerMicros } = readStartup(results)
  const figures = [
    `${Math.round(readyMs)} ms`,
    `${Math.round(cachedReadyMs)} ms`,
    `${knownCallerMicros.toFixed(1)} µs`,
  ]
  for (const figure of figures) t.ok(page.text.includes(figure), figure)
})

t.test('the scaling table of the page shows the recorded results', async t => {
  const { rows } = readScale(results)
  const firstMicros = rows[0]?.cpuMicros ?? NaN
  t.strictSame(
    page.tableRows('replicas').map(([replicas, redis, key, rate, ratio]) => [replicas, redis, key, rate, ratio]),
    rows.map(({ replicas, redis, hasIdempotencyKey, createsPerSecond, cpuMicros }) => [
      String(replicas),
      redis ? 'yes' : 'no',
      hasIdempotencyKey ? 'yes' : 'no',
      String(createsPerSecond),
      (cpuMicros / firstMicros).toFixed(2),
    ])
  )
})

t.test('the page shows the recorded cost of metrics, which is below 3 % of a create', async t => {
  const { share } = readMetrics(results)
  t.ok(share < 0.03)
  t.match(page.text, `costs ${(share * 100).toFixed(1)} % of the processor time of a create`)
})
