/** One log line a request, with ids, codes, sizes and times. It sees the trail, never a body or a head. */
import type { RequestEnd, RequestEndListener } from './request-end.ts'
import type { LineWriter } from './logger.ts'

/** Writes the line `request` when one has ended: a warning if its status is 500 or above. Times are milliseconds to a tenth, sizes bytes. */
export function createAccessLog (write: LineWriter): RequestEndListener {
  return requestEnd => write(requestEnd.status >= 500 ? 'warn' : 'info', buildLogLine(requestEnd), 'request')
}

function buildLogLine ({ request, reply, status, route }: RequestEnd): object {
  const { record } = request
  return {
    requestId: request.id,
    traceId: record.traceId,
    method: request.method,
    route,
    status,
    code: record.code,
    outcome: record.outcome,
    errorCount: record.errorCount,
    durationMs: roundToTenths(reply.elapsedTime),
    rateLimitWaitMs: roundToTenths(record.rateLimitWaitMs),
    upstreamMs: roundToTenths(record.upstreamMs),
    upstreamStatus: record.upstreamStatus,
    bytesIn: record.bytesIn,
    bytesOut: Number(reply.getHeader('content-length') ?? 0),
    bodyMode: record.bodyMode,
    lookupCount: record.lookupCount,
    replayed: record.replayed,
    cache: record.cache,
    companyId: record.companyId,
    procoreRequestId: record.procoreRequestId,
  }
}

const roundToTenths = (ms: number | undefined) => ms === undefined ? undefined : Math.round(ms * 10) / 10
