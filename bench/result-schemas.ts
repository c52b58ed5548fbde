/** Describes and reads the files in bench/results, as far as docs/performance.md shows them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { assertSchema } from '../test/helpers/assert-schema.ts'

const name = Type.String()
/** JSON has no NaN: a figure that was not measured is NaN before it is written and null after. */
const figures = Type.Array(Type.Union([Type.Number(), Type.Null()]))

const createsRow = Type.Object({
  name,
  /** Processor time per create at full load, in microseconds. */
  cpuMicros: Type.Number(),
  /** Lowest and highest `cpuMicros` of all rounds. */
  spread: Type.Array(Type.Number()),
  /** Processor time per create at the rate that is the same for all contestants, in microseconds. */
  sameRateMicros: Type.Number(),
  /** Creates per second at full load. */
  rate: Type.Number(),
  /** Latencies at half of `rate`, in milliseconds. */
  p50: Type.Number(),
  p99: Type.Number(),
  p999: Type.Number(),
  peakMegabytes: Type.Number(),
})

const uploadsRow = Type.Object({
  name,
  cpuMillisPerGigabyte: Type.Number(),
  megabytesPerSecond: Type.Number(),
  /** Time from the first byte of an upload to the first byte of its upstream request. */
  firstByteMs: Type.Number(),
  /** Memory beyond that before the uploads, also by size and by count of simultaneous uploads. */
  peakMegabytes: Type.Number(),
  bySize: figures,
  byCount: figures,
})

const growthRow = Type.Object({
  what: Type.String(),
  amount: Type.Number(),
  cpuMicros: Type.Number(),
  rate: Type.Number(),
  peakMegabytes: Type.Number(),
})

const scaleRow = Type.Object({
  replicas: Type.Number(),
  redis: Type.Boolean(),
  hasIdempotencyKey: Type.Boolean(),
  createsPerSecond: Type.Number(),
  cpuMicros: Type.Number(),
  redisCommands: Type.Number(),
  redisMicros: Type.Number(),
})

const createsResults = Type.Object({ rows: Type.Array(createsRow) })
const uploadsResults = Type.Object({
  rows: Type.Array(uploadsRow),
  /** Megabytes of one upload, for each figure of `bySize`. */
  sizes: Type.Array(Type.Number()),
  /** Number of simultaneous uploads of `countedMegabytes`, for each figure of `byCount`. */
  counts: Type.Array(Type.Number()),
  countedMegabytes: Type.Number(),
})
const growthResults = Type.Object({ rows: Type.Array(growthRow) })
const scaleResults = Type.Object({ rows: Type.Array(scaleRow) })
const startupResults = Type.Object({
  readyMs: Type.Number(),
  cachedReadyMs: Type.Number(),
  knownCallerMicros: Type.Number(),
})
const metricsResults = Type.Object({ share: Type.Number() })

export type CreatesRow = Static<typeof createsRow>
export type UploadsRow = Static<typeof uploadsRow>
export type UploadsResults = Static<typeof uploadsResults>
export type GrowthRow = Static<typeof growthRow>
export type ScaleRow = Static<typeof scaleRow>

/** @param folder contains the files that the benchmarks wrote */
export const readCreates = (folder: string) => readResults(folder, 'creates.json', createsResults)
export const readUploads = (folder: string) => readResults(folder, 'uploads.json', uploadsResults)
export const readGrowth = (folder: string) => readResults(folder, 'growth.json', growthResults)
export const readScale = (folder: string) => readResults(folder, 'scale.json', scaleResults)
export const readStartup = (folder: string) => readResults(folder, 'startup.json', startupResults)
export const readMetrics = (folder: string) => readResults(folder, 'metrics.json', metricsResults)

function readResults<T extends TSchema> (folder: string, file: string, schema: T): Static<T> {
  const results: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  return assertSchema(schema, results)
}
