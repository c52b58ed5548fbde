/** Parses the header `traceparent` of W3C Trace Context, by which the gateway says to which trace a request belongs. */
import type { IncomingHttpHeaders } from 'node:http'

/** The values of `traceparent` (§3.2). */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string
  /** Span of the sender, the parent of ours: 16 hexadecimal digits. */
  spanId: string
  /** Whether the sender records the trace. */
  isSampled: boolean
}

/** `version-traceId-spanId-flags`. The version ff and ids of zeros are not valid. */
const traceparentPattern = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Returns undefined without a valid header. Versions after 00 may have further fields behind the flags (§3.2). */
export function parseTraceparent ({ traceparent }: IncomingHttpHeaders): TraceContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const [, version, traceId = '', spanId = '', flags = '', extra] = traceparentPattern.exec(traceparent) ?? []
  if (version === undefined || (version === '00' && extra !== undefined)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}
