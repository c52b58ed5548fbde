/** Formats results as Markdown tables, for the terminal and for docs/performance.md. */
import type {
  CreatesResults, FormsMeasurement, FormsResults, GrowthResults, MetricsMeasurement, Run, ScaleMeasurement,
  IdleMeasurement, ScaleResults, StartupMeasurement, StartupResults, TlsResults, UploadsResults,
} from './result-schemas.ts'
import { divideRounds, formatRounds, type Measured } from './statistics.ts'

type Cell = string | number

/** Formats a table. The separators are those of docs/performance.md, so that a new run changes only figures. */
export function markdownTable (headings: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string {
  const lines = rows.map(cells => `| ${cells.join(' | ')} |\n`)
  return `| ${headings.join(' | ')} |\n${'|---'.repeat(headings.length)}|\n${lines.join('')}`
}

/** Formats processor time and latency as multiples of the bare proxy's. */
export function createsTable ({ measurements }: CreatesResults): string {
  const headings = [
    'JSON create of 500 bytes',
    'CPU, against bare',
    'at the same rate',
    'requests/s',
    'p50 at half of it, ms',
    'p99, against bare',
    'event loop blocked, ms',
    'peak memory, MB',
  ]
  const bare = findBare(measurements)
  return markdownTable(headings, Object.entries(measurements).map(([name, rounds]) => [
    name,
    formatRatios(rounds, bare, ({ cpuMicros }) => cpuMicros),
    formatRatios(rounds, bare, ({ sameRateMicros }) => sameRateMicros),
    formatRounds(rounds.map(({ rate }) => rate)),
    formatRounds(rounds.map(({ p50Ms }) => p50Ms), 1),
    formatRatios(rounds, bare, ({ p99Ms }) => p99Ms),
    formatRounds(rounds.map(({ blockedMs }) => blockedMs)),
    formatRounds(rounds.map(({ peakMegabytes }) => peakMegabytes)),
  ]))
}

/** Formats processor time as multiples of the bare proxy's. */
export function tlsTable ({ measurements }: TlsResults): string {
  const headings = [
    'JSON create, TLS to Procore',
    'CPU, against bare',
    'requests/s',
    'handshakes after the warm-up',
    'of which resumed',
  ]
  const bare = findBare(measurements)
  return markdownTable(headings, Object.entries(measurements).map(([name, rounds]) => [
    name,
    formatRatios(rounds, bare, ({ cpuMicros }) => cpuMicros),
    formatRounds(rounds.map(({ rate }) => rate)),
    formatRounds(rounds.map(({ handshakes }) => handshakes)),
    formatRounds(rounds.map(({ resumedHandshakes }) => resumedHandshakes)),
  ]))
}

/** Formats processor time as multiples of the bare proxy's. */
export function uploadsTable ({ measurements, sizes, counts, countedMegabytes }: UploadsResults): string {
  const headings = [
    'upload',
    'CPU per GB, against bare',
    'MB/s',
    'first byte upstream, ms',
    'event loop blocked, ms',
    `memory for one of ${sizes.join(', ')} MB`,
    `memory for ${counts.join(', ')} of ${countedMegabytes} MB at once`,
  ]
  const bare = findBare(measurements)
  return markdownTable(headings, Object.entries(measurements).map(([name, rounds]) => [
    name,
    formatRatios(rounds, bare, ({ cpuMillisPerGigabyte }) => cpuMillisPerGigabyte),
    formatRounds(rounds.map(({ megabytesPerSecond }) => megabytesPerSecond)),
    formatRounds(rounds.map(({ firstByteMs }) => firstByteMs), 1),
    formatRounds(rounds.map(({ blockedMs }) => blockedMs)),
    sizes.map((_, index) => formatRounds(rounds.map(({ bySize }) => bySize[index] ?? null))).join(', '),
    counts.map((_, index) => formatRounds(rounds.map(({ byCount }) => byCount[index] ?? null))).join(', '),
  ]))
}

/** Formats the processor time of the service's parser in microseconds, and that of the others as multiples of it. */
export function formsTable ({ measurements, kinds }: FormsResults): string {
  const [own = []] = Object.values(measurements)
  return markdownTable(['form', ...Object.keys(measurements)], kinds.map((kind, index) => {
    const getMicros = ({ microsByKind }: FormsMeasurement) => microsByKind[index] ?? null
    return [kind, ...Object.values(measurements).map(rounds => {
      return rounds === own ? `${formatRounds(rounds.map(getMicros))} µs` : formatRatios(rounds, own, getMicros)
    })]
  }))
}

/** Formats processor time as a multiple of that of the smallest amount. */
export function growthTable ({ cases }: GrowthResults): string {
  const headings = ['what grows', 'to', 'CPU per create, against the first', 'peak memory, MB']
  return markdownTable(headings, cases.map(({ what, amount, measurements }) => [
    what,
    amount,
    formatRatios(measurements, cases.find(other => other.what === what)?.measurements, ({ cpuMicros }) => cpuMicros),
    formatRounds(measurements.map(({ peakMegabytes }) => peakMegabytes)),
  ]))
}

/** Formats processor time as a multiple of that of one replica without Redis and key, which is the first case. */
export function scaleTable ({ cases }: ScaleResults): string {
  const headings = [
    'replicas',
    'Redis',
    'key',
    'creates/s',
    'CPU per create, against one replica alone',
    'against the same without Redis',
    'round trips to Redis per create',
    'Redis time per create, µs',
  ]
  const getCpuMicros = ({ cpuMicros }: ScaleMeasurement) => cpuMicros
  const findWithoutRedis = (replicas: number, hasIdempotencyKey: boolean) => cases.find(other =>
    other.replicas === replicas && !other.redis && other.hasIdempotencyKey === hasIdempotencyKey)?.measurements
  return markdownTable(headings, cases.map(({ replicas, redis, hasIdempotencyKey, measurements }) => [
    replicas,
    redis ? 'yes' : 'no',
    hasIdempotencyKey ? 'yes' : 'no',
    formatRounds(measurements.map(({ createsPerSecond }) => createsPerSecond)),
    formatRatios(measurements, cases[0]?.measurements, getCpuMicros),
    redis ? formatRatios(measurements, findWithoutRedis(replicas, hasIdempotencyKey), getCpuMicros) : '-',
    redis ? formatRounds(measurements.map(({ redisRoundTrips }) => redisRoundTrips), 2) : '-',
    redis ? formatRounds(measurements.map(({ redisMicros }) => redisMicros)) : '-',
  ]))
}

export function startupSentence ({ measurements, idle }: StartupResults): string {
  const format = (figure: keyof StartupMeasurement, digits = 0) =>
    formatRounds(measurements.map(measurement => measurement[figure]), digits)
  const formatIdle = (figure: keyof IdleMeasurement) => formatRounds(idle.map(measurement => measurement[figure]))
  return 'From the start to `/readyz` the service takes\n' +
    `${format('cachedReadyMs')} ms with the compile cache, as in the image, and ${format('readyMs')} ms without it.\n` +
    `When idle it uses ${formatIdle('megabytes')} MB, of which ${formatIdle('fileMegabytes')} MB are pages of\n` +
    'files, mostly of Node, which the processes of a machine share.\n' +
    `A known caller costs ${format('knownCallerMicros', 1)} µs.`
}

export function metricsSentence (measurements: readonly MetricsMeasurement[]): string {
  const percents = measurements.map(({ recordMicros, createMicros }) => recordMicros / createMicros * 100)
  return `Recording a request in the metrics costs ${formatRounds(percents, 1)} % of the processor time of a create.`
}

export function runSentence ({ date, node, cpu, cores, rounds, busyShare }: Run): string {
  const busy = busyShare === null ? '' : ` Before the start it was ${Math.round(busyShare * 100)} % busy.`
  return `Measured on ${date} with Node ${node} on ${cores} cores (${cpu}).${busy}\n` +
    `Each figure is the median of ${rounds} rounds, with the lowest and the highest one.`
}

/** Returns the rounds of the contestant with which the others are compared. */
export function findBare<Measurement> (measurements: Record<string, Measurement[]>): Measurement[] {
  return Object.entries(measurements).find(([name]) => name.startsWith('bare'))?.[1] ?? []
}

/** Formats a figure as a multiple of another contestant's in the same round. */
function formatRatios<Measurement> (
  rounds: readonly Measurement[],
  divisors: readonly Measurement[] = [],
  getFigure: (measurement: Measurement) => Measured
): string {
  return formatRounds(divideRounds(rounds.map(getFigure), divisors.map(getFigure)), 2)
}
