/** W3C Trace Context: of which trace a request is a part, as the gateway says. It makes no span. */
import type { IncomingHttpHeaders } from 'node:http'

/** What the header `traceparent` says (§3.2). */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string
  /** Of the caller's span, 16 hexadecimal digits. */
  spanId: string
  /** Whether whoever is in front records the trace. */
  isSampled: boolean
}

/** §3.2: a version beyond ours may have more behind the flags, an id of zeros is not valid. Nothing when there is no valid header. */
export function parseTraceparent ({ traceparent }: IncomingHttpHeaders): TraceContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const [, version, traceId = '', spanId = '', flags = '', extra] = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(traceparent) ?? []
  if (version === undefined || (version === '00' && extra !== undefined)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}
