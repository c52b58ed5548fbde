/**
 * Histograms of times. With traces, their buckets have exemplars: the id of a sampled trace that took so long. The text
 * format of Prometheus has no exemplars, so they are exposed in the OpenMetrics format only.
 */
import { Histogram, Registry } from '@prometheus-io/client'
import type { UpstreamRecord } from './request-record.ts'

/** In seconds: from a local rejection up to the longest wait that can be configured. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** Adds a time. The record says in which trace it is. */
export type RecordTime = (
  labels: Record<string, string>, ms: number, record: Pick<UpstreamRecord, 'spans' | 'traceId'>
) => void

export class TimeHistograms {
  /** Has all histograms, for the text format. */
  readonly registry = new Registry()
  /** Has the same histograms. Undefined without exemplars. */
  readonly openMetricsRegistry: Registry | undefined

  readonly #prefix: string

  /** @param prefix of the names */
  constructor (prefix: string, hasExemplars: boolean) {
    this.#prefix = prefix
    this.openMetricsRegistry = hasExemplars ? new Registry(Registry.OPENMETRICS_CONTENT_TYPE) : undefined
  }

  create (name: string, help: string, labelNames: readonly string[] = []): RecordTime {
    const options = { name: this.#prefix + name, help, labelNames, buckets }
    if (this.openMetricsRegistry === undefined) {
      const histogram = new Histogram<string>({ ...options, registers: [this.registry] })
      return (labels, ms) => histogram.observe(labels, ms / 1000)
    }
    // The library accepts exemplars only with registries of the OpenMetrics format.
    const histogram = new Histogram<string>({
      ...options, registers: [this.openMetricsRegistry], enableExemplars: true,
    })
    this.registry.registerMetric(histogram)
    return (labels, ms, { spans, traceId }) => {
      // The spans of a trace that is not sampled are not collected.
      const exemplarLabels = spans === undefined || traceId === undefined ? {} : { trace_id: traceId }
      histogram.observe({ labels, value: ms / 1000, exemplarLabels })
    }
  }
}

/**
 * Returns the metrics of a registry of the text format as those of OpenMetrics, where the name of a counter has no
 * suffix. The library would rename the counters for the text format as well.
 */
export async function toOpenMetrics (registry: Registry): Promise<string> {
  const families = registry.getMetricsAsArray().map(async ({ name, type }) => {
    const text = await registry.getSingleMetricAsString(name)
    const family = type === 'counter' && name.endsWith('_total') ? name.slice(0, -'_total'.length) : name
    return text.replace(`# HELP ${name} `, `# HELP ${family} `).replace(`# TYPE ${name} `, `# TYPE ${family} `)
  })
  return `${(await Promise.all(families)).join('\n')}\n`
}
