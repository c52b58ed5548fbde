/** Formats results as Markdown tables, for the terminal and for docs/performance.md. */
import type { CreatesRow, GrowthRow, ScaleRow, UploadsResults, UploadsRow } from './result-schemas.ts'

type Cell = string | number

/** Formats a table. The separators are those of docs/performance.md, so that a new run changes only figures. */
export function markdownTable (
  headings: readonly string[],
  rows: ReadonlyArray<readonly Cell[]>,
  separator = '| --- '
): string {
  const lines = rows.map(cells => `| ${cells.join(' | ')} |\n`)
  return `| ${headings.join(' | ')} |\n${separator.repeat(headings.length)}|\n${lines.join('')}`
}

/** Formats processor time as multiples of the bare proxy's. */
export function createsTable (rows: readonly CreatesRow[]): string {
  const bareMicros = getBareFigure(rows, ({ cpuMicros }) => cpuMicros)
  const bareSameRateMicros = getBareFigure(rows, ({ sameRateMicros }) => sameRateMicros)
  const headings = [
    'JSON create of 500 bytes',
    'CPU, against bare',
    'at the same rate',
    'requests/s',
    'p50, p99, p99.9 at half of it, ms',
    'peak memory, MB',
  ]
  return markdownTable(headings, rows.map(row => [
    row.name,
    (row.cpuMicros / bareMicros).toFixed(2),
    (row.sameRateMicros / bareSameRateMicros).toFixed(2),
    Math.round(row.rate),
    [row.p50, row.p99, row.p999].map(ms => ms.toFixed(1)).join(', '),
    Math.round(row.peakMegabytes),
  ]))
}

/** Formats processor time as multiples of the bare proxy's. */
export function uploadsTable ({ rows, sizes, counts, countedMegabytes }: UploadsResults): string {
  const bareMillis = getBareFigure(rows, ({ cpuMillisPerGigabyte }) => cpuMillisPerGigabyte)
  const headings = [
    'upload',
    'CPU per GB, against bare',
    'MB/s',
    'first byte upstream, ms',
    `memory for one of ${sizes.join(', ')} MB`,
    `memory for ${counts.join(', ')} of ${countedMegabytes} MB at once`,
  ]
  return markdownTable(headings, rows.map(row => [
    row.name,
    (row.cpuMillisPerGigabyte / bareMillis).toFixed(2),
    Math.round(row.megabytesPerSecond),
    row.firstByteMs.toFixed(1),
    formatMegabytes(row.bySize),
    formatMegabytes(row.byCount),
  ]))
}

/** Formats processor time as a multiple of that of the smallest amount. */
export function growthTable (rows: readonly GrowthRow[]): string {
  const headings = ['what grows', 'to', 'CPU per create, against the first', 'peak memory, MB']
  return markdownTable(headings, rows.map(row => {
    const first = rows.find(({ what }) => what === row.what)?.cpuMicros ?? NaN
    return [row.what, row.amount, (row.cpuMicros / first).toFixed(2), Math.round(row.peakMegabytes)]
  }))
}

/** Formats processor time as a multiple of that of one replica without Redis and key, which is the first row. */
export function scaleTable (rows: readonly ScaleRow[]): string {
  const first = rows[0]?.cpuMicros ?? NaN
  const headings = [
    'replicas',
    'Redis',
    'key',
    'creates/s',
    'CPU per create, against one replica alone',
    'Redis calls per create',
    'Redis time per create',
  ]
  return markdownTable(headings, rows.map(row => [
    row.replicas,
    row.redis ? 'yes' : 'no',
    row.hasIdempotencyKey ? 'yes' : 'no',
    row.createsPerSecond,
    (row.cpuMicros / first).toFixed(2),
    row.redis ? row.redisCommands : '-',
    row.redis ? `${row.redisMicros} µs` : '-',
  ]), '|---')
}

function getBareFigure<Row extends { name: string }> (rows: readonly Row[], getFigure: (row: Row) => number): number {
  const bare = rows.find(({ name }) => name.startsWith('bare'))
  return bare === undefined ? NaN : getFigure(bare)
}

/** Formats figures that were not measured as `-`: NaN, or null once they were written as JSON. */
function formatMegabytes (figures: UploadsRow['bySize']): string {
  return figures.map(figure => figure === null || Number.isNaN(figure) ? '-' : Math.round(figure)).join(', ')
}
