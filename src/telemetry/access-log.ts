/** Writes the access log: one line for each request, with ids, codes, sizes and times from its record. */
import { LineLimit } from './line-limit.ts'
import type { Logger } from './logger.ts'
import type { RequestEnd, RequestEndListener, UpstreamRecord } from './request-record.ts'

/**
 * Returns a listener that writes the line `request` when a request ends, as a warning if its status is 500 or above and
 * at level `debug` for a probe that succeeded. Lines about callers who are not authenticated are limited in number.
 * Writes `background request` when a request to Procore ends for which no caller waits any longer. Times are in
 * milliseconds, rounded to tenths; sizes are in bytes.
 */
export function createAccessLog (log: Logger): RequestEndListener {
  const unauthenticated = new LineLimit()
  return {
    onRequestEnd: end => {
      const line = end.record.authFailure === undefined ? { omittedCount: 0 } : unauthenticated.take()
      if (line !== undefined) log[lineLevel(end)](buildLogLine(end, line.omittedCount), 'request')
    },
    onBackgroundEnd: record => log.info(buildBackgroundLine(record), 'background request'),
  }
}

function lineLevel ({ status, record }: RequestEnd): 'warn' | 'info' | 'debug' {
  if (status >= 500) return 'warn'
  return record.isProbe === true && status === 200 ? 'debug' : 'info'
}

function buildBackgroundLine (record: UpstreamRecord): object {
  return {
    requestId: record.requestId,
    traceId: record.traceId,
    operation: record.operation,
    rateLimitWaitMs: roundToTenths(record.rateLimitWaitMs),
    upstreamMs: roundToTenths(record.upstreamMs),
    upstreamStatus: record.upstreamStatus,
    companyId: record.companyId,
    procoreRequestId: record.procoreRequestId,
  }
}

function buildLogLine ({ record, request, reply, status, route }: RequestEnd, omittedCount: number): object {
  return {
    requestId: request.id,
    traceId: record.traceId,
    method: request.method,
    route,
    status,
    code: record.code,
    outcome: record.outcome,
    errorCount: record.errorCount,
    authFailure: record.authFailure,
    omittedCount: omittedCount === 0 ? undefined : omittedCount,
    subject: record.subject,
    address: record.address,
    durationMs: roundToTenths(reply.elapsedTime),
    rateLimitWaitMs: roundToTenths(record.rateLimitWaitMs),
    upstreamMs: roundToTenths(record.upstreamMs),
    upstreamStatus: record.upstreamStatus,
    fileMs: roundToTenths(record.fileMs),
    fileStatus: record.fileStatus,
    fileHost: record.fileHost,
    bytesIn: record.bytesIn,
    bytesOut: Number(reply.getHeader('content-length') ?? 0),
    bodyMode: record.bodyMode,
    importRows: record.importRows,
    lookupCount: record.lookupCount,
    replayed: record.replayed,
    cache: record.cache,
    companyId: record.companyId,
    procoreRequestId: record.procoreRequestId,
  }
}

function roundToTenths (ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10
}
