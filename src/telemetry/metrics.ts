/**
 * Defines the metrics that are updated by requests, and the route that Prometheus scrapes. Every label has few values,
 * all known in advance: route patterns, methods, problem codes, status classes. No value comes from a caller.
 */
import type { FastifyInstance } from 'fastify'
import { Counter, Registry, collectDefaultMetrics } from '@prometheus-io/client'
import { getEndpointPaths, type Endpoint } from '../endpoints/endpoint.ts'
import { markAsProbe } from '../server/in-flight.ts'
import { problemCodes, problemTable, type ProblemCode } from '../server/problem.ts'
import { authFailureReasons } from './auth-failure.ts'
import {
  importRowStatuses, type RequestEndListener, type RequestRecord, type UnparsedRequest, type UpstreamRecord,
} from './request-record.ts'
import { TimeHistograms, toOpenMetrics, type RecordTime } from './time-histograms.ts'

/** Prefix of the names of the service's own metrics. */
export const metricPrefix = 'procore_bff_'

/** Problem codes that the alerts query. */
const initializedCodes = problemCodes.filter(code => {
  return problemTable[code].status >= 500 || code === 'procore_rate_limited'
})

/** The part of a `RequestEnd` that the metrics read. */
export interface MeasuredRequest {
  record: RequestRecord
  request: { method: string }
  reply: { elapsedTime: number, getHeader (name: string): unknown }
  status: number
  route: string | undefined
}

const idempotencyResults: Partial<Record<ProblemCode, 'in_progress' | 'reused'>> = {
  idempotency_in_progress: 'in_progress',
  idempotency_key_reused: 'reused',
}

/**
 * The counters and histograms of one service instance. By Prometheus' conventions, times are in seconds, sizes in
 * bytes.
 */
export class Metrics implements RequestEndListener {
  /** Also holds the gauges of `addGauges`. The histograms have registries of their own. */
  readonly registry = new Registry()
  readonly #requests = this.#counter(
    'requests_total',
    'Requests that ended.',
    ['method', 'route', 'status_class', 'code']
  )

  readonly #times: TimeHistograms
  readonly #recordDuration: RecordTime
  readonly #recordUpstreamDuration: RecordTime
  readonly #recordRateLimitWait: RecordTime
  readonly #recordTokenRequestDuration: RecordTime

  readonly #receivedBytes = this.#counter('received_bytes_total', 'Bytes of request bodies that were read.', ['route'])

  readonly #sentBytes = this.#counter('sent_bytes_total', 'Bytes of response bodies.', ['route'])

  readonly #outcomes = this.#counter(
    'outcomes_total',
    'Outcomes of creates and changes that were valid or had begun to be sent; a repeat with the same ' +
      'Idempotency-Key is replayed.',
    ['outcome']
  )

  readonly #idempotencyHits = this.#counter(
    'idempotency_hits_total',
    'Requests whose Idempotency-Key was used before.',
    ['result']
  )

  readonly #importRows = this.#counter(
    'import_rows_total',
    'Rows of imports that ended, by what became of them.',
    ['status']
  )

  readonly #pickLists = this.#counter(
    'pick_lists_total',
    'Pick-lists that were served: miss (fetched from Procore), hit (cached), or stale ' +
      '(cached and expired, because Procore failed or was slow).',
    ['source']
  )

  readonly #authFailures = this.#counter(
    'authentication_failures_total',
    'Requests whose caller could not be authenticated, by the check that failed.',
    ['reason']
  )

  readonly #lookups = this.#counter(
    'lookups_total',
    'Requests to Procore that look up the outcome of a create.',
    []
  )

  /**
   * @param endpoints their series start with the value 0
   * @param hasExemplars whether the histograms name traces
   */
  constructor (
    endpoints: ReadonlyArray<Pick<Endpoint, 'method' | 'path' | 'procorePath' | 'body'>> = [], hasExemplars = false
  ) {
    this.#times = new TimeHistograms(metricPrefix, hasExemplars)
    this.#recordDuration = this.#times.create(
      'request_duration_seconds', 'Time from the head of a request to the end of the response.', ['route']
    )
    this.#recordUpstreamDuration = this.#times.create(
      'upstream_duration_seconds',
      'Time that the exchanges with Procore took for one request, all together, without lookups and imports.',
      ['status_class']
    )
    this.#recordRateLimitWait = this.#times.create(
      'rate_limit_wait_seconds', 'Time that requests waited for Procore\'s rate limit, without lookups and imports.'
    )
    this.#recordTokenRequestDuration = this.#times.create(
      'token_request_duration_seconds', 'Duration of access token requests to Procore\'s login host.'
    )
    collectDefaultMetrics({ register: this.registry })
    const outcomes = ['created', 'changed', 'recovered', 'replayed', 'not_sent', 'rejected', 'unknown']
    for (const outcome of outcomes) this.#outcomes.inc({ outcome }, 0)
    for (const status of importRowStatuses) this.#importRows.inc({ status }, 0)
    for (const result of ['replayed', 'in_progress', 'reused']) this.#idempotencyHits.inc({ result }, 0)
    for (const source of ['miss', 'hit', 'stale']) this.#pickLists.inc({ source }, 0)
    for (const reason of authFailureReasons) this.#authFailures.inc({ reason }, 0)
    for (const endpoint of endpoints) this.#initialize(endpoint)
  }

  /**
   * Creates the series of a route with the value 0. If a counter appeared with its first failure, Prometheus would not
   * see an increase.
   */
  #initialize (endpoint: Pick<Endpoint, 'method' | 'path' | 'procorePath' | 'body'>): void {
    const { method } = endpoint
    for (const route of getEndpointPaths(endpoint)) {
      this.#requests.inc({ method, route, status_class: '2xx', code: '' }, 0)
      for (const code of initializedCodes) {
        this.#requests.inc({ method, route, status_class: statusClass(problemTable[code].status), code }, 0)
      }
    }
  }

  /** Records a request that ended. */
  onRequestEnd ({ record, request: { method }, reply, status, route = 'none' }: MeasuredRequest): void {
    this.#requests.inc({ method, route, status_class: statusClass(status), code: record.code ?? '' })
    if (record.isEventStream !== true) this.#recordDuration({ route }, reply.elapsedTime, record)
    // An import has hundreds of exchanges, which belong to no single wait of a caller.
    if (record.importRows === undefined) this.onBackgroundEnd(record)
    for (const [status, rows] of Object.entries(record.importRows ?? {})) this.#importRows.inc({ status }, rows)
    if (record.bytesIn !== undefined) this.#receivedBytes.inc({ route }, record.bytesIn)
    this.#sentBytes.inc({ route }, Number(reply.getHeader('content-length') ?? 0))
    if (record.outcome !== undefined) this.#outcomes.inc({ outcome: record.outcome })
    if (record.authFailure !== undefined) this.#authFailures.inc({ reason: record.authFailure.reason })
    if (record.lookupCount !== undefined) this.#lookups.inc(record.lookupCount)
    if (record.cache !== undefined) this.#pickLists.inc({ source: record.cache })
    const idempotencyResult = getIdempotencyResult(record)
    if (idempotencyResult !== undefined) this.#idempotencyHits.inc({ result: idempotencyResult })
  }

  /** Records what the requests to Procore took. */
  onBackgroundEnd (record: UpstreamRecord): void {
    const { upstreamMs, upstreamStatus, rateLimitWaitMs } = record
    if (upstreamMs !== undefined) {
      const upstreamClass = upstreamStatus === undefined ? 'none' : statusClass(upstreamStatus)
      this.#recordUpstreamDuration({ status_class: upstreamClass }, upstreamMs, record)
    }
    if (rateLimitWaitMs !== undefined) this.#recordRateLimitWait({}, rateLimitWaitMs, record)
  }

  /** Records a request that could not be parsed. */
  recordParseError ({ method, status, code }: UnparsedRequest): void {
    this.#requests.inc({ method, route: 'none', status_class: statusClass(status), code })
  }

  /** Records the duration of an access token request, in milliseconds. */
  recordAccessTokenRequest (durationMs: number): void {
    this.#recordTokenRequestDuration({}, durationMs, {})
  }

  /** Returns all metrics in a format that the reader accepts. Exemplars are in that of OpenMetrics only. */
  async expose (accept = ''): Promise<{ contentType: string, text: string }> {
    const { registry, openMetricsRegistry } = this.#times
    if (openMetricsRegistry !== undefined && accept.includes('application/openmetrics-text')) {
      const text = await toOpenMetrics(this.registry) + await openMetricsRegistry.metrics()
      return { contentType: openMetricsRegistry.contentType, text }
    }
    const texts = [await this.registry.metrics(), await registry.metrics()]
    return { contentType: registry.contentType, text: texts.join('\n') }
  }

  #counter<Label extends string> (name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: metricPrefix + name, help, labelNames, registers: [this.registry] })
  }
}

function getIdempotencyResult ({ replayed, code }: RequestRecord): 'replayed' | 'in_progress' | 'reused' | undefined {
  if (replayed === true) return 'replayed'
  return code === undefined ? undefined : idempotencyResults[code]
}

const statusClass = (status: number) => `${Math.floor(status / 100)}xx`

/** Adds the route `/metrics`. It has no authentication: only the operator's network must be able to reach it. */
export async function metricsPlugin (
  app: FastifyInstance, { metrics }: { metrics: Pick<Metrics, 'expose'> }
): Promise<void> {
  const schema = {
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    tags: ['operation'],
    produces: ['text/plain'],
    response: { 200: { type: 'string', description: 'The metrics in the text format of Prometheus.' } },
  }
  app.get('/metrics', { schema, config: { acceptsAnyHost: true } }, async (request, reply) => {
    markAsProbe(request)
    const { contentType, text } = await metrics.expose(request.headers.accept)
    return reply.headers({ 'cache-control': 'no-store', vary: 'accept' }).type(contentType).send(text)
  })
}
