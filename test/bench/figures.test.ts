// The benchmarks run, and docs/performance.md shows what they measured.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { fillPage, fillReadme, renderChart } from '../../bench/report.ts'
import { readCreates, readMetrics } from '../../bench/result-schemas.ts'
import { divideRounds, formatRounds, median } from '../../bench/statistics.ts'
import { readPage } from '../helpers/markdown.ts'
import { root } from '../helpers/spawn-program.ts'

const run = promisify(execFile)
const page = readPage('docs/performance.md')
const results = join(root, 'bench/results')

t.test('the page on performance shows the command that runs the benchmarks', async t => {
  t.ok(page.codeBlocks('sh').includes('npm run bench'))
})

t.test('a quick benchmark prints the tables and the sentence that the page shows', async t => {
  const env = {
    ...process.env,
    BENCH_SECONDS: '0.2',
    BENCH_ROUNDS: '1',
    BENCH_ONLY: 'this service',
    BENCH_PARTS: 'creates,tls,scale,forms,metrics',
    BENCH_RESULTS: t.testdir(),
  }
  const { stdout } = await run('bash', ['-c', 'npm run --silent bench'], { cwd: root, env })
  const lines = stdout.split('\n')
  for (const start of ['| JSON create of', '| JSON create, TLS', '| replicas |', '| form |']) {
    const heading = lines.find(line => line.startsWith(start)) ?? start
    t.ok(page.text.includes(heading), heading)
  }
  t.match(stdout, /^Recording a request in the metrics costs \d+\.\d % of the processor time of a create\.$/m)
})

t.test('the tables and figures of the page are those of the recorded results', async t => {
  t.equal(fillPage(page.text, results), page.text)
})

t.test('the report replaces outdated tables and figures of the page', async t => {
  const outdated = page.text
    .replace(/(?<=^\| this service \| )[\d.]+/gm, '9.99')
    .replace(/(?<=^\| 4 \| yes \| yes \| )\d+/m, '9')
    .replace(/\d+ (?=.{0,20} ms with the compile cache)/, '9 ')
  t.not(outdated, page.text)
  t.equal(fillPage(outdated, results), page.text)
})

t.test('the report rejects a page that lacks a place for a table', async t => {
  t.throws(() => fillPage(page.text.replace('<!-- bench: growth -->', ''), results), /has no place for .* growth/)
})

t.test('the chart of the page is drawn from the recorded results', async t => {
  t.equal(await readFile(join(root, 'docs/bench.svg'), 'utf8'), renderChart(results))
})

t.test('the README quotes the medians of the recorded results', async t => {
  const { text } = readPage('README.md')
  t.equal(fillReadme(text, results), text)
  t.equal(fillReadme(text.replace(/(?<=a create takes )[\d.]+/, '9.99'), results), text)
})

t.test('every recorded figure has at least five rounds', async t => {
  const { measurements, run } = readCreates(results)
  t.ok(run.rounds >= 5)
  for (const [name, rounds] of Object.entries(measurements)) t.equal(rounds.length, run.rounds, name)
})

t.test('the metrics cost less than 3 % of a create', async t => {
  const { measurements } = readMetrics(results)
  t.ok(median(measurements.map(({ recordMicros, createMicros }) => recordMicros / createMicros)) < 0.03)
})

t.test('a figure is shown as the median of its rounds, with the lowest and the highest one', async t => {
  t.equal(formatRounds([3, 1, 2], 1), '2.0 (1.0-3.0)')
  t.equal(formatRounds([1.01, 1.02]), '1')
  t.equal(formatRounds([NaN, null]), '-')
  t.strictSame(divideRounds([2, 9, null], [1, 3, 1]), [2, 3, null])
})
