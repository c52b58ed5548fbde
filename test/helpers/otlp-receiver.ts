/** Receives OTLP over HTTP and decodes its protobuf messages. */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Type, type Static } from '@sinclair/typebox'
import protobuf from 'protobufjs'
import type { Test } from 'tap'
import { assertSchema } from './assert-schema.ts'
import { listen } from './listen.ts'

/** The messages of opentelemetry/proto/collector/trace/v1, with the fields that the tests read. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; Status status = 15;
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
  /** Attributes of the sender. */
  resource: Record<string, unknown>
  /** Paths of the requests. */
  paths: Set<string>
  /** Status of the responses. */
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

const AttributesSchema = Type.Array(Type.Object({
  key: Type.String(),
  value: Type.Object({ stringValue: Type.Optional(Type.String()), intValue: Type.Optional(Type.String()) }),
}))
const SpanSchema = Type.Object({
  traceId: Type.String(),
  spanId: Type.String(),
  parentSpanId: Type.String(),
  name: Type.String(),
  kind: Type.Integer(),
  startTimeUnixNano: Type.String(),
  endTimeUnixNano: Type.String(),
  attributes: AttributesSchema,
  status: Type.Optional(Type.Union([Type.Null(), Type.Object({ code: Type.Integer() })])),
})
const ExportSchema = Type.Object({
  resourceSpans: Type.Array(Type.Object({
    resource: Type.Object({ attributes: AttributesSchema }),
    scopeSpans: Type.Array(Type.Object({ spans: Type.Array(SpanSchema) })),
  })),
})

function decodeSpans (body: Buffer, receiver: OtlpReceiver): void {
  const type = root.lookupType('ExportTraceServiceRequest')
  const message = type.toObject(type.decode(body), { longs: String, bytes: String, defaults: true })
  for (const { resource, scopeSpans } of assertSchema(ExportSchema, message).resourceSpans) {
    receiver.resource = toAttributes(resource.attributes)
    for (const { spans } of scopeSpans) receiver.spans.push(...spans.map(toReceivedSpan))
  }
}

function toReceivedSpan (span: Static<typeof SpanSchema>): ReceivedSpan {
  const toHex = (base64: string) => Buffer.from(base64, 'base64').toString('hex')
  const toMs = (nanos: string) => Number(BigInt(nanos) / 1000n) / 1000
  return {
    traceId: toHex(span.traceId),
    spanId: toHex(span.spanId),
    parentSpanId: toHex(span.parentSpanId),
    name: span.name,
    kind: span.kind,
    startMs: toMs(span.startTimeUnixNano),
    endMs: toMs(span.endTimeUnixNano),
    attributes: toAttributes(span.attributes),
    isError: span.status?.code === 2,
  }
}

function toAttributes (attributes: Static<typeof AttributesSchema>): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value: { stringValue = '', intValue } }) => {
    return [key, stringValue === '' ? Number(intValue) : stringValue]
  }))
}
