/**
 * What is counted while requests go by, as Prometheus reads it. Every label has few values that are known beforehand: patterns of
 * routes, methods, codes, classes of statuses; never anything that a caller sent.
 */
import type { FastifyInstance } from 'fastify'
import { Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { getEndpointPaths, type Endpoint } from '../endpoints/endpoint.ts'
import { problemCodes, problemTable, type ProblemCode } from '../server/problem.ts'
import type { UnparsedRequest } from './request-end.ts'
import { LabelledCounter } from './counter.ts'
import type { RequestRecord } from './request-record.ts'

/** Stands before every name of ours. */
export const metricPrefix = 'procore_bff_'

/** From a refusal that asks nobody to the longest wait that is allowed, in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** What alerts look for. */
const initializedCodes = problemCodes.filter(code => problemTable[code].status >= 500 || code === 'procore_rate_limited')

/** What of a request that ended is counted. */
export interface MeasuredRequest {
  request: { method: string, record: RequestRecord }
  reply: { elapsedTime: number, getHeader (name: string): unknown }
  status: number
  route: string | undefined
}

const idempotencyResults: Partial<Record<ProblemCode, 'in_progress' | 'reused'>> = { idempotency_in_progress: 'in_progress', idempotency_key_reused: 'reused' }

/** The counters and histograms of one service, in a registry of its own; times in seconds and sizes in bytes, as Prometheus wants them. */
export class Metrics {
  /** Takes what others have to tell as well. */
  readonly registry = new Registry()
  readonly #requests = this.#counter('requests_total', 'Requests that ended.', ['method', 'route', 'status_class', 'code'])
  readonly #duration = this.#histogram('request_duration_seconds', 'From a request\'s head to the end of its answer.', ['route'])
  readonly #upstream = this.#histogram('upstream_duration_seconds', 'What requests to Procore took, of one request of a caller\'s together, without look-ups.', ['status_class'])
  readonly #rateLimitWait = this.#histogram('allowance_wait_seconds', 'How long requests waited for Procore\'s allowance, without look-ups.')
  readonly #accessTokenRequest = this.#histogram('token_request_duration_seconds', 'What the login host took.')
  readonly #received = this.#counter('received_bytes_total', 'Bytes of bodies that were read.', ['route'])
  readonly #sent = this.#counter('sent_bytes_total', 'Bytes of bodies that were answered.', ['route'])
  readonly #outcomes = this.#counter('outcomes_total', 'What became of creates and changes that were valid; a repeat under an Idempotency-Key is replayed.', ['outcome'])
  readonly #idempotency = this.#counter('idempotency_hits_total', 'Requests whose Idempotency-Key was known.', ['result'])
  readonly #pickLists = this.#counter('pick_lists_total', 'Pick-lists that were answered: fetched from Procore, kept from before, or stale because Procore could not be asked, or was slow.', ['source'])
  readonly #lookups = this.#counter('look_ups_total', 'Requests to find out what became of a create.', [])

  constructor () {
    collectDefaultMetrics({ register: this.registry })
    for (const outcome of ['created', 'changed', 'recovered', 'replayed', 'not_sent', 'rejected', 'unknown']) this.#outcomes.inc({ outcome }, 0)
    for (const result of ['replayed', 'in_progress', 'reused']) this.#idempotency.inc({ result }, 0)
    for (const source of ['miss', 'hit', 'stale']) this.#pickLists.inc({ source }, 0)
  }

  /** Begins at 0 what a mirrored route may come to: of a counter that appears with its first failure Prometheus sees no increase. */
  initialize (endpoint: Pick<Endpoint, 'method' | 'path' | 'procorePath'>): void {
    const { method } = endpoint
    for (const route of getEndpointPaths(endpoint)) {
      this.#requests.inc({ method, route, status_class: '2xx', code: '' }, 0)
      for (const code of initializedCodes) this.#requests.inc({ method, route, status_class: statusClass(problemTable[code].status), code }, 0)
    }
  }

  /** To be told of each request that ended. */
  readonly onRequestEnd = ({ request, reply, status, route = 'none' }: MeasuredRequest): void => {
    const { record, method } = request
    this.#requests.inc({ method, route, status_class: statusClass(status), code: record.code ?? '' })
    if (record.isEventStream !== true) this.#duration.observe({ route }, reply.elapsedTime / 1000)
    if (record.upstreamMs !== undefined) this.#upstream.observe({ status_class: record.upstreamStatus === undefined ? 'none' : statusClass(record.upstreamStatus) }, record.upstreamMs / 1000)
    if (record.rateLimitWaitMs !== undefined) this.#rateLimitWait.observe(record.rateLimitWaitMs / 1000)
    if (record.bytesIn !== undefined) this.#received.inc({ route }, record.bytesIn)
    this.#sent.inc({ route }, Number(reply.getHeader('content-length') ?? 0))
    if (record.outcome !== undefined) this.#outcomes.inc({ outcome: record.outcome })
    if (record.lookupCount !== undefined) this.#lookups.inc({}, record.lookupCount)
    const result = record.replayed === true ? 'replayed' : record.code === undefined ? undefined : idempotencyResults[record.code]
    if (record.cache !== undefined) this.#pickLists.inc({ source: record.cache })
    if (result !== undefined) this.#idempotency.inc({ result })
  }

  /** To be told of each that could not be read. */
  recordParseError ({ method, status, code }: UnparsedRequest): void {
    this.#requests.inc({ method, route: 'none', status_class: statusClass(status), code })
  }

  /** To be told of each request for a token. @param ms what it took, in milliseconds */
  recordAccessTokenRequest (ms: number): void {
    this.#accessTokenRequest.observe(ms / 1000)
  }

  /** Adds the route `/metrics`, which nobody is asked to prove a right to: it is for the network of the operator. */
  registerRoute (app: FastifyInstance): void {
    app.get('/metrics', {
      schema: { operationId: 'metrics', summary: 'What it does, for Prometheus', tags: ['operation'], produces: ['text/plain'], response: { 200: { type: 'string' } } },
    }, async (_request, reply) => reply.header('cache-control', 'no-store').type(this.registry.contentType).send(await this.registry.metrics()))
  }

  #counter<Label extends string> (name: string, help: string, labelNames: readonly Label[]): LabelledCounter<Label> {
    return new LabelledCounter(metricPrefix + name, help, labelNames, this.registry)
  }

  #histogram<Label extends string> (name: string, help: string, labelNames: readonly Label[] = []): Histogram<Label> {
    return new Histogram({ name: metricPrefix + name, help, labelNames, buckets, registers: [this.registry] })
  }
}

const statusClass = (status: number) => `${Math.floor(status / 100)}xx`
