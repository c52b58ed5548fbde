/**
 * Defines the metrics that are updated by requests, and the route that Prometheus scrapes. Every label has few values,
 * all known in advance: route patterns, methods, problem codes, status classes. No value comes from a caller.
 */
import type { FastifyInstance } from 'fastify'
import { Counter, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client'
import { getEndpointPaths, type Endpoint } from '../endpoints/endpoint.ts'
import { markAsProbe } from '../server/in-flight.ts'
import { problemCodes, problemTable, type ProblemCode } from '../server/problem.ts'
import { authFailureReasons } from './auth-failure.ts'
import {
  importRowStatuses, type RequestEndListener, type RequestRecord, type UnparsedRequest, type UpstreamRecord,
} from './request-record.ts'

/** Prefix of the names of the service's own metrics. */
export const metricPrefix = 'procore_bff_'

/** In seconds: from a local rejection up to the longest wait that can be configured. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

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
  /** Also holds the gauges of `addGauges`. */
  readonly registry = new Registry()
  readonly #requests = this.#counter(
    'requests_total',
    'Requests that ended.',
    ['method', 'route', 'status_class', 'code']
  )

  readonly #duration = this.#histogram(
    'request_duration_seconds',
    'Time from the head of a request to the end of the response.',
    ['route']
  )

  readonly #upstreamDuration = this.#histogram(
    'upstream_duration_seconds',
    'Time that the exchanges with Procore took for one request, all together, without lookups and imports.',
    ['status_class']
  )

  readonly #rateLimitWait = this.#histogram(
    'rate_limit_wait_seconds',
    'Time that requests waited for Procore\'s rate limit, without lookups and imports.'
  )

  readonly #accessTokenRequestDuration = this.#histogram(
    'token_request_duration_seconds',
    'Duration of access token requests to Procore\'s login host.'
  )

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

  /** @param endpoints their series start with the value 0 */
  constructor (endpoints: ReadonlyArray<Pick<Endpoint, 'method' | 'path' | 'procorePath' | 'body'>> = []) {
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
    if (record.isEventStream !== true) this.#duration.observe({ route }, reply.elapsedTime / 1000)
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
  onBackgroundEnd ({ upstreamMs, upstreamStatus, rateLimitWaitMs }: UpstreamRecord): void {
    if (upstreamMs !== undefined) {
      const upstreamClass = upstreamStatus === undefined ? 'none' : statusClass(upstreamStatus)
      this.#upstreamDuration.observe({ status_class: upstreamClass }, upstreamMs / 1000)
    }
    if (rateLimitWaitMs !== undefined) this.#rateLimitWait.observe(rateLimitWaitMs / 1000)
  }

  /** Records a request that could not be parsed. */
  recordParseError ({ method, status, code }: UnparsedRequest): void {
    this.#requests.inc({ method, route: 'none', status_class: statusClass(status), code })
  }

  /** Records the duration of an access token request, in milliseconds. */
  recordAccessTokenRequest (durationMs: number): void {
    this.#accessTokenRequestDuration.observe(durationMs / 1000)
  }

  #counter<Label extends string> (name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: metricPrefix + name, help, labelNames, registers: [this.registry] })
  }

  #histogram<Label extends string> (
    name: string, help: string, labelNames: readonly Label[] = []
  ): Histogram<Label> {
    return new Histogram({ name: metricPrefix + name, help, labelNames, buckets, registers: [this.registry] })
  }
}

function getIdempotencyResult ({ replayed, code }: RequestRecord): 'replayed' | 'in_progress' | 'reused' | undefined {
  if (replayed === true) return 'replayed'
  return code === undefined ? undefined : idempotencyResults[code]
}

const statusClass = (status: number) => `${Math.floor(status / 100)}xx`

/** Adds the route `/metrics`. It has no authentication: only the operator's network must be able to reach it. */
export async function metricsPlugin (app: FastifyInstance, { registry }: { registry: Registry }): Promise<void> {
  const schema = {
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    tags: ['operation'],
    produces: ['text/plain'],
    response: { 200: { type: 'string', description: 'The metrics in the text format of Prometheus.' } },
  }
  app.get('/metrics', { schema, config: { acceptsAnyHost: true } }, async (request, reply) => {
    markAsProbe(request)
    return reply.header('cache-control', 'no-store').type(registry.contentType).send(await registry.metrics())
  })
}
