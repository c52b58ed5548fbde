/** A receiver of OTLP over HTTP that reads the protobuf of what it is sent. */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import protobuf from 'protobufjs'
import type { Test } from 'tap'
import { listen } from './listen.ts'

/** The messages of opentelemetry/proto/collector/trace/v1, as far as the tests look. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
  }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; }
`)

export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  kind: number
  startMs: number
  endMs: number
  attributes: Record<string, unknown>
  isError: boolean
}

export interface OtlpReceiver {
  url: string
  spans: ReceivedSpan[]
  /** Of whoever sent them. */
  resource: Record<string, unknown>
  /** Paths that were asked for. */
  paths: Set<string>
  /** Instead of 200. */
  status: number
}

export async function startOtlpReceiver (t: Test): Promise<OtlpReceiver> {
  const receiver: OtlpReceiver = { url: '', spans: [], resource: {}, paths: new Set(), status: 200 }
  const server = createServer((request, response) => {
    buffer(request).then(body => {
      receiver.paths.add(request.url ?? '')
      if (receiver.status === 200) decodeSpans(body, receiver)
      response.writeHead(receiver.status, { 'content-type': 'application/x-protobuf' }).end()
    }, () => response.destroy())
  })
  receiver.url = `http://127.0.0.1:${await listen(t, server)}`
  return receiver
}

function decodeSpans (body: Buffer, receiver: OtlpReceiver): void {
  const type = root.lookupType('ExportTraceServiceRequest')
  const message = type.toObject(type.decode(body), { longs: String, bytes: String, defaults: true })
  for (const { resource, scopeSpans } of message['resourceSpans']) {
    receiver.resource = toAttributes(resource.attributes)
    for (const { spans } of scopeSpans) for (const span of spans) receiver.spans.push(toReceivedSpan(span))
  }
}

function toReceivedSpan (span: Record<string, string> & { kind: number, attributes: KeyValue[], status?: { code: number } }): ReceivedSpan {
  const hex = (base64 = '') => Buffer.from(base64, 'base64').toString('hex')
  const ms = (nanos = '0') => Number(BigInt(nanos) / 1000n) / 1000
  return {
    traceId: hex(span['traceId']),
    spanId: hex(span['spanId']),
    parentSpanId: hex(span['parentSpanId']),
    name: span['name'] ?? '',
    kind: span.kind,
    startMs: ms(span['startTimeUnixNano']),
    endMs: ms(span['endTimeUnixNano']),
    attributes: toAttributes(span.attributes),
    isError: span.status?.code === 2,
  }
}

interface KeyValue { key: string, value: { stringValue?: string, intValue?: string } }

function toAttributes (attributes: KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue !== '' && value.stringValue !== undefined ? value.stringValue : Number(value.intValue)]))
}
