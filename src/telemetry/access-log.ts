/** One log line a request, with ids, codes, sizes and times. It sees the trail, never a body or a head. */
import type { Ended, Observer } from './request-end.ts'
import type { LineWriter } from './logger.ts'

/** Writes the line `request` when one has ended: a warning if its status is 500 or above. Times are milliseconds to a tenth, sizes bytes. */
export function accessLog (write: LineWriter): Observer {
  return ended => write(ended.status >= 500 ? 'warn' : 'info', lineOf(ended), 'request')
}

function lineOf ({ request, reply, status, route }: Ended): object {
  const { trail } = request
  return {
    requestId: request.id,
    traceId: trail.traceId,
    method: request.method,
    route,
    status,
    code: trail.code,
    outcome: trail.outcome,
    faults: trail.faults,
    durationMs: tenths(reply.elapsedTime),
    waitMs: tenths(trail.waitMs),
    upstreamMs: tenths(trail.upstreamMs),
    upstreamStatus: trail.upstreamStatus,
    bytesIn: trail.bytesIn,
    bytesOut: Number(reply.getHeader('content-length') ?? 0),
    form: trail.form,
    lookUps: trail.lookUps,
    replayed: trail.replayed,
    cache: trail.cache,
    companyId: trail.companyId,
    procoreRequestId: trail.procoreRequestId,
  }
}

const tenths = (ms: number | undefined) => ms === undefined ? undefined : Math.round(ms * 10) / 10
