/** The results as Markdown tables, for the terminal and for the README. */

/** One contestant: processor time of a create at full load and at one rate for all, in microseconds; latencies in milliseconds. */
export interface CreatesRow { name: string, cpuMicros: number, sameRateMicros: number, spread: number[], rate: number, p50: number, p99: number, p999: number, peakMegabytes: number }
/** One contestant: memory beyond what it had before, in megabytes, by size and by count of forms; null where it was not measured. */
export interface UploadsRow { name: string, cpuMillisPerGigabyte: number, megabytesPerSecond: number, firstByteMs: number, peakMegabytes: number, bySize: Array<number | null>, byCount: Array<number | null> }
/** One amount of what grows. */
export interface GrowthRow { what: string, amount: number, cpuMicros: number, rate: number, peakMegabytes: number }

type Cell = string | number

const markdownTable = (headings: readonly string[], rows: ReadonlyArray<readonly Cell[]>) =>
  [headings, headings.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |\n`).join('')

const getBareFigure = <Row extends { name: string }>(rows: readonly Row[], figure: (row: Row) => number) => {
  const bare = rows.find(({ name }) => name.startsWith('bare'))
  return bare === undefined ? NaN : figure(bare)
}

/** Figures of processor time are told as multiples of the bare proxy's. */
export function createsTable (rows: readonly CreatesRow[]): string {
  const bare = getBareFigure(rows, ({ cpuMicros }) => cpuMicros)
  const bareSame = getBareFigure(rows, ({ sameRateMicros }) => sameRateMicros)
  return markdownTable(['JSON create of 500 bytes', 'CPU, against bare', 'at the same rate', 'requests/s', 'p50, p99, p99.9 at half of it, ms', 'peak memory, MB'], rows.map(row => [
    row.name, (row.cpuMicros / bare).toFixed(2), (row.sameRateMicros / bareSame).toFixed(2), Math.round(row.rate), [row.p50, row.p99, row.p999].map(ms => ms.toFixed(1)).join(', '), Math.round(row.peakMegabytes),
  ]))
}

/** @param sizes megabytes of one form each, as the heads tell them; @param counts how many at once of `countedMegabytes` */
export function uploadsTable (rows: readonly UploadsRow[], sizes: readonly number[], counts: readonly number[], countedMegabytes: number): string {
  const bare = getBareFigure(rows, ({ cpuMillisPerGigabyte }) => cpuMillisPerGigabyte)
  const list = (megabytes: UploadsRow['bySize']) => megabytes.map(one => one === null || Number.isNaN(one) ? '-' : Math.round(one)).join(', ')
  return markdownTable(['upload', 'CPU per GB, against bare', 'MB/s', 'first byte upstream, ms', `memory for one of ${sizes.join(', ')} MB`, `memory for ${counts.join(', ')} of ${countedMegabytes} MB at once`], rows.map(row => [
    row.name, (row.cpuMillisPerGigabyte / bare).toFixed(2), Math.round(row.megabytesPerSecond), row.firstByteMs.toFixed(1), list(row.bySize), list(row.byCount),
  ]))
}

/** Processor time is told as a multiple of that of the smallest amount. */
export function growthTable (rows: readonly GrowthRow[]): string {
  return markdownTable(['what grows', 'to', 'CPU per create, against the first', 'peak memory, MB'], rows.map(row => {
    const first = rows.find(({ what }) => what === row.what)?.cpuMicros ?? NaN
    return [row.what, row.amount, (row.cpuMicros / first).toFixed(2), Math.round(row.peakMegabytes)]
  }))
}
