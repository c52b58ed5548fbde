/**
 * Spans of OpenTelemetry, sent by OTLP: one for each request, as a part of the trace that the gateway names, with the stages of the
 * work below it. They are made of what was noted on the way when a request is over, so that nothing in between knows of them. This
 * file, and all that it loads, is loaded only where traces are wanted.
 */
import type { IncomingMessage } from 'node:http'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span, type Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { FastifyRequest } from 'fastify'
import { limits } from '../config/limits.ts'
import { version } from '../config/product.ts'
import type { Logger } from './logger.ts'
import type { RequestEnd } from './request-end.ts'
import { parseTraceparent } from './trace-context.ts'
import type { RequestRecord } from './request-record.ts'
import { preciseNowMs, type SpanRecord } from './spans.ts'

/** The spans of one service. Of those that wait to be sent at most `limits.tracing.queueMax` are kept, and a request never waits for them. */
export class RequestTracer {
  readonly #provider: BasicTracerProvider
  readonly #tracer: Tracer
  readonly #spans = new WeakMap<IncomingMessage, Span>()

  /** @param endpoint base address of the receiver, as in `OTEL_EXPORTER_OTLP_ENDPOINT` */
  constructor (endpoint: string, log: Logger) {
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces`, timeoutMillis: limits.tracing.timeoutMs })
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': process.env['OTEL_SERVICE_NAME'] ?? 'procore-bff', 'service.version': version }),
      spanProcessors: [new BatchSpanProcessor(withFailureLog(exporter, log), { maxQueueSize: limits.tracing.queueMax, exportTimeoutMillis: limits.tracing.timeoutMs })],
    })
    this.#tracer = this.#provider.getTracer('procore-bff', version)
  }

  /** Begins the span of a request. Returns the id of its trace, for the log. */
  startSpan (raw: IncomingMessage): string {
    const parent = parseTraceparent(raw.headers)
    const context = parent === undefined
      ? ROOT_CONTEXT
      : trace.setSpanContext(ROOT_CONTEXT, { traceId: parent.traceId, spanId: parent.spanId, traceFlags: parent.isSampled ? 1 : 0, isRemote: true })
    const span = this.#tracer.startSpan('request', { kind: SpanKind.SERVER, startTime: preciseNowMs() }, context)
    this.#spans.set(raw, span)
    return span.spanContext().traceId
  }

  /** The trail of a request whose span was begun; it notes stages only where the span is recorded. */
  createRecord ({ id, raw }: FastifyRequest): RequestRecord {
    const span = this.#spans.get(raw)
    return { requestId: id, ...(span !== undefined && { traceId: span.spanContext().traceId, ...(span.isRecording() && { spans: [] }) }) }
  }

  /** To be told of each request that ended: its span and those of its stages are made of its trail. */
  readonly onRequestEnd = ({ request, status, route }: RequestEnd): void => {
    const span = this.#spans.get(request.raw)
    if (span === undefined) return
    const { record, method } = request
    span.updateName(route === undefined ? method : `${method} ${route}`)
    span.setAttributes({
      'http.request.method': method,
      'http.route': route,
      'http.response.status_code': status,
      'error.type': record.code,
      'procore_bff.request_id': record.requestId,
      'procore_bff.outcome': record.outcome,
      'procore_bff.company_id': record.companyId,
      'procore_bff.body_mode': record.bodyMode,
      'procore_bff.procore_request_id': record.procoreRequestId,
    })
    // A fault of the caller's is none of the server's.
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    const context = trace.setSpan(ROOT_CONTEXT, span)
    for (const spanRecord of record.spans ?? []) this.#addSpan(spanRecord, context)
    span.end(preciseNowMs())
  }

  /** Sends what is left, if the receiver takes it in time: a stop does not wait for it longer. */
  async close (): Promise<void> {
    const { promise: timedOut, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, limits.tracing.closeTimeoutMs)
    await Promise.race([this.#provider.shutdown().catch(() => {}), timedOut])
    clearTimeout(timer)
  }

  #addSpan ({ name, startedAtMs, endedAtMs, method, status, error }: SpanRecord, context: Context): void {
    const span = this.#tracer.startSpan(name, { kind: name === 'upstream' ? SpanKind.CLIENT : SpanKind.INTERNAL, startTime: startedAtMs }, context)
    const type = error ?? (status !== undefined && status >= 500 ? String(status) : undefined)
    span.setAttributes({ 'http.request.method': method, 'http.response.status_code': status, 'error.type': type })
    if (type !== undefined) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endedAtMs)
  }
}

/** Spans that can't be sent are lost, which the operator is told once in a while; a request never notices. */
function withFailureLog (exporter: OTLPTraceExporter, log: Logger): SpanExporter {
  let nextWarningAtMs = 0
  return {
    export: (spans: ReadableSpan[], done) => exporter.export(spans, result => {
      if (result.error !== undefined && Date.now() >= nextWarningAtMs) {
        nextWarningAtMs = Date.now() + limits.tracing.warnIntervalMs
        log.warn({ err: result.error, spans: spans.length }, 'traces can\'t be sent')
      }
      done(result)
    }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  }
}
