/**
 * Writes the figures of bench/results to docs/performance.md and the README, and draws docs/bench.svg, so that all show
 * one run.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from './helpers.ts'
import {
  readCreates, readForms, readGrowth, readMetrics, readScale, readStartup, readTls, readUploads,
} from './result-schemas.ts'
import { divideRounds, median, type Measured } from './statistics.ts'
import {
  createsTable, formsTable, growthTable, metricsSentence, runSentence, scaleTable, startupSentence, tlsTable,
  uploadsTable, findBare,
} from './tables.ts'

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
  const { measurements: creates } = readCreates(results)
  const { measurements: uploads } = readUploads(results)
  const charts = [
    {
      title: 'Processor time of a JSON create, against bare node:http + undici',
      bars: compareWithBare(creates, ({ cpuMicros }) => cpuMicros),
    },
    {
      title: 'Processor time of a gigabyte of uploads, against the bare pipe',
      bars: compareWithBare(uploads, ({ cpuMillisPerGigabyte }) => cpuMillisPerGigabyte),
    },
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

/** Replaces the figures that the README quotes. @param results the folder of results */
export function fillReadme (readme: string, results: string): string {
  const { measurements: creates } = readCreates(results)
  const { measurements: uploads } = readUploads(results)
  const createRatio = getOwnRatio(compareWithBare(creates, ({ cpuMicros }) => cpuMicros))
  const uploadRatio = getOwnRatio(compareWithBare(uploads, ({ cpuMillisPerGigabyte }) => cpuMillisPerGigabyte))
  return readme
    .replace(/(?<=a create takes )[\d.]+(?= times)/, createRatio)
    .replace(/(?<=a byte of an upload )[\d.]+(?= times)/, uploadRatio)
}

function getOwnRatio (bars: readonly Bar[]): string {
  return bars.find(({ name }) => name === 'this service')?.value.toFixed(2) ?? fail('The service was not measured.')
}

function compareWithBare<Measurement> (
  measurements: Record<string, Measurement[]>,
  getFigure: (measurement: Measurement) => Measured
): Bar[] {
  const bare = findBare(measurements).map(getFigure)
  return Object.entries(measurements)
    .map(([name, rounds]) => ({ name, value: median(divideRounds(rounds.map(getFigure), bare)) }))
    .sort((a, b) => a.value - b.value)
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
 * Replaces what the comments `bench: NAME` and `end` of docs/performance.md enclose.
 * @param results the folder of results
 * @throws if the page lacks a place for a figure
 */
export function fillPage (page: string, results: string): string {
  const creates = readCreates(results)
  const blocks = {
    run: `${runSentence(creates.run)}\n`,
    creates: createsTable(creates),
    tls: tlsTable(readTls(results)),
    uploads: uploadsTable(readUploads(results)),
    forms: formsTable(readForms(results)),
    growth: growthTable(readGrowth(results)),
    startup: `${startupSentence(readStartup(results))}\n`,
    metrics: `${metricsSentence(readMetrics(results).measurements)}\n`,
    scale: scaleTable(readScale(results)),
  }
  return Object.entries(blocks).reduce((text, [name, content]) => {
    const place = new RegExp(`(?<=<!-- bench: ${name} -->\\n)[^]*?(?=\\n<!-- end -->)`)
    if (!place.test(text)) fail(`docs/performance.md has no place for the figures of ${name}.`)
    return text.replace(place, () => `\n${content}`)
  }, page)
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.env['BENCH_RESULTS'] === undefined) {
  const results = join(folder, 'results')
  const pagePath = join(folder, '../docs/performance.md')
  writeFileSync(join(folder, '../docs/bench.svg'), renderChart(results))
  writeFileSync(pagePath, fillPage(readFileSync(pagePath, 'utf8'), results))
  const readmePath = join(folder, '../README.md')
  writeFileSync(readmePath, fillReadme(readFileSync(readmePath, 'utf8'), results))
}
