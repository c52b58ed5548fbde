/** Writes the figures of bench/results to docs/performance.md and draws docs/bench.svg, so that both show one run. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from './helpers.ts'
import { readCreates, readGrowth, readMetrics, readScale, readStartup, readUploads } from './result-schemas.ts'
import { createsTable, growthTable, scaleTable, uploadsTable } from './tables.ts'

interface Bar { name: string, value: number }

const folder = fileURLToPath(new URL('.', import.meta.url))
const nameWidth = 230
const barWidth = 380
const rowHeight = 24
const titleHeight = 34
const groupGap = 16

const style = [
  'text{font:13px system-ui,sans-serif;fill:#57606a}',
  '.title{font-weight:600}',
  'rect{fill:#9aa4af}',
  '.ours{fill:#0969da}',
  '@media(prefers-color-scheme:dark){text{fill:#adb5bd}}',
].join('')

/** Draws processor times as horizontal bars, as multiples of the bare proxy's. @param results the folder of results */
export function renderChart (results: string): string {
  const creates = readCreates(results).rows.map(({ name, cpuMicros }) => ({ name, value: cpuMicros }))
  const uploads = readUploads(results).rows
    .map(({ name, cpuMillisPerGigabyte }) => ({ name, value: cpuMillisPerGigabyte }))
  const charts = [
    { title: 'Processor time of a JSON create, against bare node:http + undici', bars: compareWithBare(creates) },
    { title: 'Processor time of a gigabyte of uploads, against the bare pipe', bars: compareWithBare(uploads) },
  ]
  let y = 0
  const groups = charts.map(({ title, bars }) => {
    const maxValue = Math.max(...bars.map(({ value }) => value))
    const rows = bars.map((bar, index) => renderBar(bar, index, maxValue)).join('')
    const group = `<g transform="translate(0 ${y})"><text class="title" x="8" y="22">${title}</text>${rows}</g>`
    y += titleHeight + bars.length * rowHeight + groupGap
    return group
  })
  const viewBox = `0 0 ${nameWidth + barWidth + 70} ${y}`
  const label = 'Processor time beside other proxies'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${viewBox}" role="img" aria-label="${label}">
<style>${style}</style>
${groups.join('\n')}
</svg>
`
}

function compareWithBare (bars: readonly Bar[]): Bar[] {
  const bare = bars.find(({ name }) => name.startsWith('bare'))?.value ?? NaN
  return bars.map(({ name, value }) => ({ name, value: value / bare })).sort((a, b) => a.value - b.value)
}

function renderBar ({ name, value }: Bar, index: number, maxValue: number): string {
  const y = titleHeight + index * rowHeight
  const width = Math.max(1, value / maxValue * barWidth)
  const escapedName = name.replaceAll('&', '&amp;')
  const rectClass = name.startsWith('this service') ? ' class="ours"' : ''
  return [
    `<text x="${nameWidth - 8}" y="${y + 14}" text-anchor="end">${escapedName}</text>`,
    `<rect${rectClass} x="${nameWidth}" y="${y + 3}" width="${width.toFixed(1)}" height="15" rx="2"/>`,
    `<text x="${(nameWidth + width + 6).toFixed(1)}" y="${y + 15}">${value.toFixed(2)}</text>`,
  ].join('')
}

/**
 * Replaces all measured figures of docs/performance.md.
 * @param results the folder of results
 * @throws if the page lacks a place for a figure
 */
export function fillPage (page: string, results: string): string {
  const { readyMs, cachedReadyMs, knownCallerMicros } = readStartup(results)
  const { share } = readMetrics(results)
  const replacements: Array<[RegExp, string]> = [
    [markedTable('creates'), `\n${createsTable(readCreates(results).rows)}`],
    [markedTable('uploads'), `\n${uploadsTable(readUploads(results))}`],
    [markedTable('growth'), `\n${growthTable(readGrowth(results).rows)}`],
    [/^\| replicas \|.*\n(?:\|.*\n)+/m, scaleTable(readScale(results).rows)],
    [/\d+ ms(?= with the compile cache)/, `${Math.round(cachedReadyMs)} ms`],
    [/\d+ ms(?= without it)/, `${Math.round(readyMs)} ms`],
    [/(?<=A known caller costs )[\d.]+ µs/, `${knownCallerMicros.toFixed(1)} µs`],
    [/(?<=Recording a request in the metrics costs )[\d.]+ %/, `${(share * 100).toFixed(1)} %`],
  ]
  return replacements.reduce((text, [place, figures]) => {
    if (!place.test(text)) fail(`docs/performance.md has no text that matches ${place}.`)
    return text.replace(place, () => figures)
  }, page)
}

/** Matches the lines between the two comments that mark a table. */
const markedTable = (name: string) => new RegExp(`(?<=<!-- bench: ${name} -->\\n)[^]*?(?=\\n<!-- end -->)`)

if (process.argv[1] === fileURLToPath(import.meta.url) && process.env['BENCH_RESULTS'] === undefined) {
  const results = join(folder, 'results')
  const pagePath = join(folder, '../docs/performance.md')
  writeFileSync(join(folder, '../docs/bench.svg'), renderChart(results))
  writeFileSync(pagePath, fillPage(readFileSync(pagePath, 'utf8'), results))
}
