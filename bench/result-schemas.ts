/** Describes and reads the files in bench/results. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { assertSchema } from '../test/helpers/assert-schema.ts'

/** A figure that was not measured is NaN, which JSON writes as null. */
const figure = Type.Union([Type.Number(), Type.Null()])

/** When and where a benchmark ran. */
const run = Type.Object({
  date: Type.String(),
  node: Type.String(),
  cpu: Type.String(),
  cores: Type.Number(),
  rounds: Type.Number(),
  /** Duration of one measurement. */
  seconds: Type.Number(),
  /** Share of the processor time that other programs used before the start. */
  busyShare: figure,
})

const creates = Type.Object({
  /** Processor time per create at full load. */
  cpuMicros: Type.Number(),
  /** Processor time per create at the rate that is the same for all contestants. */
  sameRateMicros: Type.Number(),
  /** Creates per second at full load. */
  rate: Type.Number(),
  /** Latencies at half of `rate`. */
  p50Ms: Type.Number(),
  p99Ms: Type.Number(),
  /** Longest time that the event loop was blocked, in programs that run on Node. */
  blockedMs: figure,
  peakMegabytes: Type.Number(),
})

const tls = Type.Object({
  cpuMicros: Type.Number(),
  rate: Type.Number(),
  /** TLS handshakes during the measurement, after which the connections are reused. */
  handshakes: Type.Number(),
  resumedHandshakes: Type.Number(),
})

const uploads = Type.Object({
  cpuMillisPerGigabyte: Type.Number(),
  megabytesPerSecond: Type.Number(),
  /** Time from the first byte of an upload to the first byte of its upstream request. */
  firstByteMs: Type.Number(),
  blockedMs: figure,
  /** Memory beyond that before the uploads, by size and by count of simultaneous uploads. */
  bySize: Type.Array(figure),
  byCount: Type.Array(figure),
})

/** Processor time per form of each kind, in the order of `kinds`. */
const forms = Type.Object({ microsByKind: Type.Array(Type.Number()) })

const growth = Type.Object({ cpuMicros: figure, peakMegabytes: Type.Number() })

const startup = Type.Object({
  readyMs: Type.Number(),
  cachedReadyMs: Type.Number(),
  knownCallerMicros: Type.Number(),
})

/** Memory of an idle service, and the part of it that are pages of files. */
const idle = Type.Object({ megabytes: Type.Number(), fileMegabytes: Type.Number() })

const scale = Type.Object({
  createsPerSecond: Type.Number(),
  cpuMicros: Type.Number(),
  redisRoundTrips: Type.Number(),
  redisMicros: Type.Number(),
})

const metrics = Type.Object({ createMicros: Type.Number(), recordMicros: Type.Number() })

/** The rounds of each contestant, by its name. */
const byContestant = <T extends TSchema>(measurement: T) => Type.Record(Type.String(), Type.Array(measurement))

const createsResults = Type.Object({ run, measurements: byContestant(creates) })
const tlsResults = Type.Object({ run, measurements: byContestant(tls) })
const uploadsResults = Type.Object({
  run,
  /** Megabytes of one upload, for each figure of `bySize`. */
  sizes: Type.Array(Type.Number()),
  /** Number of simultaneous uploads of `countedMegabytes`, for each figure of `byCount`. */
  counts: Type.Array(Type.Number()),
  countedMegabytes: Type.Number(),
  measurements: byContestant(uploads),
})
const formsResults = Type.Object({ run, kinds: Type.Array(Type.String()), measurements: byContestant(forms) })
const growthResults = Type.Object({
  run,
  cases: Type.Array(Type.Object({ what: Type.String(), amount: Type.Number(), measurements: Type.Array(growth) })),
})
const startupResults = Type.Object({ run, measurements: Type.Array(startup), idle: Type.Array(idle) })
const scaleResults = Type.Object({
  run,
  cases: Type.Array(Type.Object({
    replicas: Type.Number(),
    redis: Type.Boolean(),
    hasIdempotencyKey: Type.Boolean(),
    measurements: Type.Array(scale),
  })),
})
const metricsResults = Type.Object({ run, measurements: Type.Array(metrics) })

export type Run = Static<typeof run>
export type CreatesMeasurement = Static<typeof creates>
export type TlsMeasurement = Static<typeof tls>
export type UploadsMeasurement = Static<typeof uploads>
export type FormsMeasurement = Static<typeof forms>
export type GrowthMeasurement = Static<typeof growth>
export type StartupMeasurement = Static<typeof startup>
export type IdleMeasurement = Static<typeof idle>
export type ScaleMeasurement = Static<typeof scale>
export type MetricsMeasurement = Static<typeof metrics>
export type CreatesResults = Static<typeof createsResults>
export type StartupResults = Omit<Static<typeof startupResults>, 'run'>
export type TlsResults = Static<typeof tlsResults>
export type UploadsResults = Static<typeof uploadsResults>
export type FormsResults = Static<typeof formsResults>
export type GrowthResults = Static<typeof growthResults>
export type ScaleResults = Static<typeof scaleResults>

/** @param folder contains the files that the benchmarks wrote */
export const readCreates = (folder: string) => readResults(folder, 'creates.json', createsResults)
export const readTls = (folder: string) => readResults(folder, 'tls.json', tlsResults)
export const readUploads = (folder: string) => readResults(folder, 'uploads.json', uploadsResults)
export const readForms = (folder: string) => readResults(folder, 'forms.json', formsResults)
export const readGrowth = (folder: string) => readResults(folder, 'growth.json', growthResults)
export const readScale = (folder: string) => readResults(folder, 'scale.json', scaleResults)
export const readStartup = (folder: string) => readResults(folder, 'startup.json', startupResults)
export const readMetrics = (folder: string) => readResults(folder, 'metrics.json', metricsResults)

function readResults<T extends TSchema> (folder: string, file: string, schema: T): Static<T> {
  const results: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  return assertSchema(schema, results)
}
