/** Draws the chart of the README and writes its tables, both from bench/results, so that they say what was measured. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createsTable, growthTable, uploadsTable, type CreatesRow, type GrowthRow, type UploadsRow } from './tables.ts'

interface Bar { name: string, value: number }

const folder = fileURLToPath(new URL('.', import.meta.url))
const [nameWidth, barWidth, rowHeight, titleHeight] = [230, 380, 24, 34]

/** @param results the folder of the raw results */
export function renderChart (results: string): string {
  const charts = [
    { title: 'Processor time of a JSON create, against bare node:http + undici', bars: readBars(results, 'creates.json', 'cpuMicros') },
    { title: 'Processor time of a gigabyte of uploads, against the bare pipe', bars: readBars(results, 'uploads.json', 'cpuMillisPerGigabyte') },
  ]
  let y = 0
  const groups = charts.map(({ title, bars }) => {
    const maxValue = Math.max(...bars.map(({ value }) => value))
    const rows = bars.map((bar, index) => renderBar(bar, index, maxValue))
    const group = `<g transform="translate(0 ${y})"><text class="title" x="8" y="22">${title}</text>${rows.join('')}</g>`
    y += titleHeight + bars.length * rowHeight + 16
    return group
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${nameWidth + barWidth + 70} ${y}" role="img" aria-label="Processor time beside other proxies">
<style>text{font:13px system-ui,sans-serif;fill:#57606a}.title{font-weight:600}rect{fill:#9aa4af}.ours{fill:#0969da}@media(prefers-color-scheme:dark){text{fill:#adb5bd}}</style>
${groups.join('\n')}
</svg>
`
}

function readBars (results: string, file: string, figure: string): Bar[] {
  const { rows }: { rows: Array<Record<string, number> & { name: string }> } = JSON.parse(readFileSync(join(results, file), 'utf8'))
  const bare = rows.find(({ name }) => name.startsWith('bare'))?.[figure] ?? NaN
  return rows.map(row => ({ name: row.name, value: (row[figure] ?? NaN) / bare })).sort((a, b) => a.value - b.value)
}

function renderBar ({ name, value }: Bar, index: number, maxValue: number): string {
  const y = titleHeight + index * rowHeight
  const width = Math.max(1, value / maxValue * barWidth)
  return `<text x="${nameWidth - 8}" y="${y + 14}" text-anchor="end">${name.replaceAll('&', '&amp;')}</text><rect${name.startsWith('this service') ? ' class="ours"' : ''} x="${nameWidth}" y="${y + 3}" width="${width.toFixed(1)}" height="15" rx="2"/><text x="${(nameWidth + width + 6).toFixed(1)}" y="${y + 15}">${value.toFixed(2)}</text>`
}

/** Tables by the name of their place in the README. @param results the folder of the raw results */
export function buildTables (results: string): Record<string, string> {
  const read = (file: string) => JSON.parse(readFileSync(join(results, file), 'utf8'))
  const uploads: { rows: UploadsRow[], sizes: number[], counts: number[], countedMegabytes: number } = read('uploads.json')
  const creates: { rows: CreatesRow[] } = read('creates.json')
  const growth: { rows: GrowthRow[] } = read('growth.json')
  return {
    creates: createsTable(creates.rows),
    uploads: uploadsTable(uploads.rows, uploads.sizes, uploads.counts, uploads.countedMegabytes),
    growth: growthTable(growth.rows),
  }
}

/** Puts each table in its place. */
export function fillTables (readme: string, results: string): string {
  return Object.entries(buildTables(results)).reduce((text, [name, table]) =>
    text.replace(new RegExp(`(<!-- bench: ${name} -->\\n)[^]*?(\\n<!-- end -->)`), (_, before: string, after: string) => `${before}\n${table}${after}`), readme)
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.env['BENCH_RESULTS'] === undefined) {
  const [results, readme] = [join(folder, 'results'), join(folder, '../README.md')]
  writeFileSync(join(folder, '../docs/bench.svg'), renderChart(results))
  writeFileSync(readme, fillTables(readFileSync(readme, 'utf8'), results))
}
