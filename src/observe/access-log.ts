/** One log line a request, with ids, codes, sizes and times. */
import type { Ended } from './ended.ts'

export function writeLine ({ request, reply, status }: Ended): void {
  const { trail } = request
  const line = {
    method: request.method,
    route: request.routeOptions.url,
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
    companyId: trail.companyId,
    procoreRequestId: trail.procoreRequestId,
  }
  if (status >= 500) request.log.warn(line, 'request')
  else request.log.info(line, 'request')
}

const tenths = (ms: number | undefined) => ms === undefined ? undefined : Math.round(ms * 10) / 10
