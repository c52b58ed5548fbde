/**
 * Sends OpenTelemetry spans by OTLP: one for each request, in the trace that the gateway names, with a child span for
 * each part of the work. The child spans are built from the request record when a request ends, so no other code
 * depends on OpenTelemetry. This file, and OpenTelemetry with it, is imported only if tracing is configured.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import {
  ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags, type Attributes, type Context, type Span, type Tracer
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler, AlwaysOnSampler, BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider,
  type ReadableSpan, type Sampler, type SpanExporter,
} from '@opentelemetry/sdk-trace'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { version } from '../config/product.ts'
import type { ProxyConfig } from '../http/connection-pool.ts'
import { isInNetworkOf } from '../http/no-proxy.ts'
import { clientClosedRequest } from '../server/in-flight.ts'
import type { ProblemCode } from '../server/problem.ts'
import type { Logger } from './logger.ts'
import { parseTraceparent, type TraceContext } from './trace-context.ts'
import type { RequestEnd, RequestEndListener, RequestRecord, UpstreamRecord } from './request-record.ts'
import { preciseNowMs, type SpanRecord } from './spans.ts'

/** The methods of RFC 9110 §9 and RFC 5789. OpenTelemetry's conventions name all others `_OTHER`. */
const knownMethods: ReadonlySet<string> =
  new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])
const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

type TracingConfig = NonNullable<Config['telemetry']['tracing']>

/**
 * Creates and sends the spans. At most `limits.tracing.queueMax` wait to be sent, further ones are dropped; requests
 * never wait.
 */
export class RequestTracer implements RequestEndListener {
  readonly #provider: TracerProvider
  readonly #tracer: Tracer
  readonly #spans = new WeakMap<IncomingMessage, Span>()

  readonly #apiUrl: string
  readonly #apiAddress: Attributes

  /** @param apiUrl origin of Procore's API */
  constructor (
    { url, serviceName, attributes, sampler, ratio }: TracingConfig, apiUrl: string, proxy: ProxyConfig, log: Logger
  ) {
    const { hostname, port, protocol } = new URL(apiUrl)
    this.#apiUrl = apiUrl
    this.#apiAddress = {
      'server.address': hostname, 'server.port': port === '' ? defaultPorts[protocol] : Number(port),
    }
    const { timeoutMs, queueMax } = limits.tracing
    const httpAgentOptions = { keepAlive: true, proxyEnv: toProxyEnv(proxy, url) }
    const exporter = withFailureLog(new OTLPTraceExporter({ url, timeoutMillis: timeoutMs, httpAgentOptions }), log)
    this.#provider = new TracerProvider({
      sampler: createSampler(sampler, ratio),
      resource: defaultResource().merge(resourceFromAttributes({
        'service.version': version, 'service.instance.id': randomUUID(), ...attributes, 'service.name': serviceName,
      })),
      spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: queueMax, exportTimeoutMillis: timeoutMs })],
    })
    this.#tracer = this.#provider.getTracer('procore-bff', version)
  }

  /** Starts the span of a request and returns its record. It collects child spans only if the span is sampled. */
  readonly startRecord = ({ id, raw }: FastifyRequest): RequestRecord => {
    const parent = parseTraceparent(raw.headers)
    const context = parent === undefined ? ROOT_CONTEXT : toContext(parent)
    const span = this.#tracer.startSpan('request', { kind: SpanKind.SERVER, startTime: preciseNowMs() }, context)
    this.#spans.set(raw, span)
    const { traceId } = span.spanContext()
    return span.isRecording() ? { requestId: id, traceId, spans: [] } : { requestId: id, traceId }
  }

  /** Ends the span of a request and adds its child spans. Nothing in it was chosen by the caller. */
  onRequestEnd ({ record, request: { raw, method, protocol }, status, route }: RequestEnd): void {
    const span = this.#spans.get(raw)
    if (span === undefined) return
    const isKnown = knownMethods.has(method)
    const name = isKnown ? method : 'HTTP'
    span.updateName(route === undefined ? name : `${name} ${route}`)
    span.setAttributes({
      'http.request.method': isKnown ? method : '_OTHER',
      'http.request.method_original': isKnown ? undefined : method,
      'http.route': route,
      'http.response.status_code': status === clientClosedRequest ? undefined : status,
      'url.scheme': protocol === 'https' ? 'https' : 'http',
      'network.protocol.version': raw.httpVersion,
      'error.type': requestErrorType(status, record.code),
      'procore_bff.code': record.code,
      'procore_bff.request_id': record.requestId,
      'procore_bff.outcome': record.outcome,
      'procore_bff.company_id': record.companyId,
      'procore_bff.body_mode': record.bodyMode,
      'procore_bff.procore_request_id': record.procoreRequestId,
    })
    // By OpenTelemetry's conventions a 4xx is not an error of the server's span.
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    const context = trace.setSpan(ROOT_CONTEXT, span)
    for (const spanRecord of record.spans ?? []) this.#addSpan(spanRecord, context)
    span.end(preciseNowMs())
  }

  /** Adds a trace of its own for a request to Procore that no caller waited for. */
  onBackgroundEnd ({ requestId, companyId, operation, spans = [] }: UpstreamRecord): void {
    const [first] = spans
    if (first === undefined) return
    const span = this.#tracer.startSpan('background request', { startTime: first.startedAtMs }, ROOT_CONTEXT)
    span.setAttributes({
      'procore_bff.request_id': requestId, 'procore_bff.company_id': companyId, 'procore_bff.operation': operation,
    })
    const context = trace.setSpan(ROOT_CONTEXT, span)
    for (const spanRecord of spans) this.#addSpan(spanRecord, context)
    span.end(preciseNowMs())
  }

  /** The query is left out: a lookup names a person in it. */
  #apiAttributes (path: string): Attributes {
    return { ...this.#apiAddress, 'url.full': `${this.#apiUrl}${path.split('?', 1).join()}` }
  }

  /** Sends the pending spans, but waits at most `limits.tracing.closeTimeoutMs`, so that shutdown is not delayed. */
  async close (): Promise<void> {
    const { promise: timedOut, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, limits.tracing.closeTimeoutMs)
    await Promise.race([this.#provider.shutdown().catch(() => {}), timedOut])
    clearTimeout(timer)
  }

  #addSpan (spanRecord: SpanRecord, context: Context): void {
    const { name, startedAtMs, endedAtMs, method, path, resendCount, status, error, fileHost } = spanRecord
    const isRequest = name === 'upstream' || name === 'file'
    const kind = isRequest ? SpanKind.CLIENT : SpanKind.INTERNAL
    const span = this.#tracer.startSpan(method ?? name, { kind, startTime: startedAtMs }, context)
    // By OpenTelemetry's conventions a 4xx is an error of the client's span.
    const errorType = error ?? (status !== undefined && status >= 400 ? String(status) : undefined)
    span.setAttributes({
      'http.request.method': method,
      'http.request.resend_count': resendCount === 0 ? undefined : resendCount,
      'http.response.status_code': status,
      'error.type': errorType,
      'procore_bff.file_host': fileHost,
      ...(path !== undefined && this.#apiAttributes(path)),
      // The names of other hosts of files are not recorded, because Procore chooses them.
      ...(fileHost === 'api' && this.#apiAddress),
    })
    if (errorType !== undefined) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endedAtMs)
  }
}

/** Returns `error.type`. By OpenTelemetry's conventions a 4xx is not an error of the server's span. */
function requestErrorType (status: number, code: ProblemCode | undefined): string | undefined {
  if (status === clientClosedRequest) return 'client_disconnected'
  return status >= 500 ? code ?? String(status) : undefined
}

/** Settings of Node's agent. A receiver with an `http:` URL is reached directly, like all `http:` hosts. */
function toProxyEnv ({ url, noProxy }: ProxyConfig, target: string): Record<string, string> {
  return url.reveal() === '' || isInNetworkOf(noProxy, target) ? {} : { HTTPS_PROXY: url.reveal(), NO_PROXY: noProxy }
}

/** `OTEL_TRACES_SAMPLER`: a `parentbased` sampler follows the decision of the gateway's span, if there is one. */
function createSampler (name: TracingConfig['sampler'], ratio: number): Sampler {
  switch (name) {
    case 'always_on': return new AlwaysOnSampler()
    case 'always_off': return new AlwaysOffSampler()
    case 'traceidratio': return new TraceIdRatioBasedSampler(ratio)
    case 'parentbased_always_on': return new ParentBasedSampler({ root: new AlwaysOnSampler() })
    case 'parentbased_always_off': return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    case 'parentbased_traceidratio': return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })
  }
}

/** Returns the context whose spans are children of the gateway's span. */
function toContext ({ traceId, spanId, isSampled }: TraceContext): Context {
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

/** Wraps an exporter: failures are logged, at most once per `limits.tracing.warnIntervalMs`. The spans are lost. */
function withFailureLog (exporter: OTLPTraceExporter, log: Logger): SpanExporter {
  let nextWarningAtMs = -Infinity
  return {
    export: (spans: ReadableSpan[], done) => exporter.export(spans, result => {
      if (result.error !== undefined && performance.now() >= nextWarningAtMs) {
        nextWarningAtMs = performance.now() + limits.tracing.warnIntervalMs
        log.warn({ err: result.error, spans: spans.length }, 'traces cannot be sent')
      }
      done(result)
    }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  }
}
