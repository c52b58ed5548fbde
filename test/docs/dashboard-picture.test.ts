// The pictures of the dashboard: the page that they are taken of draws every panel, and the files are small.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { renderDashboard, type Series } from '../../tools/scripts/dashboard-page.ts'
import { dashboard, type Panel } from '../helpers/dashboard.ts'
import { root } from '../helpers/spawn-program.ts'

const rising: Series = { name: 'first & <second>', points: [[100, 0], [130, 0.5], [160, 1]] }
const draw = (panel: Panel, series: Series[]) => renderDashboard('Dashboard', 'Caption', [{ panel, series }])

/** What the page has of a panel of each type whose last value is 1, besides the title. */
const expected: Record<Panel['type'], RegExp> = {
  row: /<h2 style="grid-area:\d+\/1\/span 1\/span 24">/,
  stat: /<section class="stat (?:red|orange|green)" style="[^"]+">.*<b>(?:1|100 %|1 s)<\/b>.*<polyline points="0,29 50,15 100,1"/,
  // From the left end of the axis to the right, and from the bottom to the top.
  timeseries: /<polyline stroke="#\w{6}" points="54,132 219,70 384,8"\/>.*<li><i [^>]+><\/i>first &amp; &lt;second>/,
}

t.test('every panel of the dashboard is drawn with its title, values and legend', async t => {
  for (const panel of dashboard.panels) {
    const page = draw(panel, panel.type === 'row' ? [] : [rising])
    t.match(page, expected[panel.type], panel.title)
    t.ok(page.includes(`>${panel.title}</h`), panel.title)
    t.notMatch(page, /NaN|Infinity|undefined/, panel.title)
  }
})

t.test('a panel has the unit of the dashboard at its axis', async t => {
  const axisOf = (title: string, value: number) => {
    const panel = dashboard.panels.find(panel => panel.title === title)
    const page = panel === undefined ? '' : draw(panel, [{ name: 'a', points: [[0, 0], [60, value]] }])
    return [...page.matchAll(/text-anchor="end">(.*?)<\/text>/g)].map(([, text]) => text)
  }
  t.strictSame(axisOf('Failing requests', 0.03), ['0 %', '2.5 %', '5 %'])
  t.strictSame(axisOf('Duration', 0.15), ['0 s', '100 ms', '200 ms'])
  t.strictSame(axisOf('Requests by class', 9), ['0 req/s', '5 req/s', '10 req/s'])
  t.strictSame(axisOf('Bytes', 15_000), ['0 B/s', '10 kB/s', '20 kB/s'])
  t.strictSame(axisOf('Memory', 150 * 1024 ** 2), ['0 MiB', '100 MiB', '200 MiB'])
  t.strictSame(axisOf('Redis', 0), ['0 ops/s', '0.5 ops/s', '1 ops/s'])
})

t.test('a stat has the color of its worst value, by the thresholds of the dashboard', async t => {
  const panel = dashboard.panels.find(({ title }) => title === 'Rate limit that remains')
  const colorOf = (...values: number[]) => {
    const page = panel === undefined ? '' : draw(panel, values.map(value => ({ name: 'a', points: [[0, value]] })))
    return /class="stat (\w+)"/.exec(page)?.[1]
  }
  t.equal(colorOf(0.9, 0.8), 'green')
  t.equal(colorOf(0.9, 0.15), 'orange')
  t.equal(colorOf(0.05, 0.9), 'red')
})

t.test('a legend names four lines and counts the others', async t => {
  const panel = dashboard.panels.find(({ type }) => type === 'timeseries')
  const series = Array.from({ length: 9 }, (_, index) => ({ ...rising, name: `line ${index}` }))
  const page = panel === undefined ? '' : draw(panel, series)
  t.equal(page.match(/<polyline /g)?.length, 9)
  t.equal(page.match(/<li><i /g)?.length, 4)
  t.match(page, '<li>and 5 more</li>')
})

t.test('both pictures are smaller than 300 KB', async t => {
  for (const file of ['dashboard.png', 'dashboard-dark.png']) {
    t.ok((await stat(join(root, 'docs/operate', file))).size < 300_000, file)
  }
})
