/** Writes the audit line of each valid create or change, and ends its delivery with the final outcome. */
import type { ProxiedEndpoint } from '../endpoints/endpoint.ts'
import { Problem } from '../server/problem.ts'
import type { UpstreamResult } from '../procore/result.ts'
import type { Audit } from '../telemetry/audit.ts'
import type { ChangeOutcome } from '../telemetry/request-record.ts'
import { getCompanyId } from './validation/parameters.ts'
import type { EndpointRequest, Send, ValidatedBody } from './context.ts'

/** The audit event of a request that may have changed something, and the outcome of its success. */
const changesByMethod = {
  POST: { auditEvent: 'create', successOutcome: 'created' },
  PATCH: { auditEvent: 'change', successOutcome: 'changed' },
} as const

/** @param recordParam the path parameter with the id of an existing record; empty if the endpoint has none */
export function withAudit (
  send: Send, { name, method, lookup }: ProxiedEndpoint, recordParam: string, audit: Audit
): Send {
  if (method === 'GET') return send
  const { auditEvent, successOutcome } = changesByMethod[method]
  return async request => {
    const { record, delivery, path, query, body } = request
    const result = await send(request)
    if (result.kind === 'failure' && await isInvalid(body)) return result
    const outcome = changeOutcome(request, result, successOutcome)
    delivery?.end(outcome)
    record.outcome = outcome
    const pathId = path.values.get(recordParam)
    audit.write({
      subject: request.subject,
      companyId: getCompanyId(path, query),
      operation: name,
      route: request.route,
      outcome,
      status: resultStatus(result),
      recordId: (result.kind === 'success' ? result.recordId : undefined) ??
        (typeof pathId === 'number' ? pathId : undefined),
      requestId: record.requestId,
      traceId: record.traceId,
      procoreRequestId: record.procoreRequestId,
      fingerprint: lookup === undefined ? undefined : audit.fingerprint(body.values.get(lookup.matchField)),
    }, auditEvent)
    return result
  }
}

/** A streamed form may turn out to be invalid after sending has begun. */
async function isInvalid ({ validated }: ValidatedBody): Promise<boolean> {
  const validation = await Promise.race([validated, undefined])
  return validation?.kind === 'invalid'
}

/**
 * Returns the outcome for the audit log. A replayed request is not another create, whatever response is repeated. Only
 * a lookup that this request made itself and that found the record is news: that is `recovered`.
 */
function changeOutcome (
  { record: { replayed, lookupCount }, delivery }: EndpointRequest,
  result: UpstreamResult,
  successOutcome: 'created' | 'changed'
): ChangeOutcome {
  const isRecovered = result.kind === 'success' && result.recovered === true
  if (replayed === true && !(isRecovered && lookupCount !== undefined)) return 'replayed'
  if (result.kind === 'rejection') return 'rejected'
  if (result.kind === 'success') return isRecovered ? 'recovered' : successOutcome
  const { error } = result
  return (error instanceof Problem ? error.extras.outcome : undefined) ?? delivery?.outcome ?? 'not_sent'
}

/** Undefined if the caller left before the response. */
function resultStatus (result: UpstreamResult): number | undefined {
  if (result.kind !== 'failure') return result.status
  return result.error instanceof Problem ? result.error.status : undefined
}
