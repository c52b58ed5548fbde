/** Writes the audit line of each valid create or change and of each read of people. */
import type { ProxiedEndpoint } from '../endpoints/endpoint.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import { failureOutcome } from '../procore/delivery.ts'
import type { UpstreamFailure, UpstreamResult } from '../procore/result.ts'
import type { Audit } from '../telemetry/audit.ts'
import type { ChangeOutcome } from '../telemetry/request-record.ts'
import type { EndpointRequest, EndpointResult, Send } from './context.ts'

const create = { auditEvent: 'create', successOutcome: 'created' } as const
const change = { auditEvent: 'change', successOutcome: 'changed' } as const

/** Returns the fields that the lines of all requests to Procore have. */
function commonFields ({ subject, record, route }: EndpointRequest, operation: string) {
  const { address, companyId, requestId, traceId, procoreRequestId } = record
  return { subject, address, companyId, operation, route, requestId, traceId, procoreRequestId }
}

function getPathId ({ path }: EndpointRequest, recordParam: string): number | undefined {
  const id = path.values.get(recordParam)
  return typeof id === 'number' ? id : undefined
}

/**
 * Writes a line for each read, with the id in the path if there is one. It does not say who is in the response.
 * @param recordParam the path parameter with the id of an existing record; empty if the endpoint has none
 */
export function withReadAudit<Result extends EndpointResult> (
  send: Send<Result>, operation: string, recordParam: string, audit: Audit
): Send<Result | UpstreamFailure> {
  return async request => {
    if (!audit.reserve()) return auditOverloaded()
    try {
      const result = await send(request)
      const { status } = toAuditedResponse(result)
      audit.write({ ...commonFields(request, operation), status, recordId: getPathId(request, recordParam) }, 'read')
      return result
    } finally {
      audit.release()
    }
  }
}

/** @param recordParam the path parameter with the id of an existing record; empty if the endpoint has none */
export function withAudit (
  send: Send, { name, lookup, success }: ProxiedEndpoint, recordParam: string, audit: Audit
): Send {
  // RFC 9110 §15.3.2: 201 means that a record was created.
  const { auditEvent, successOutcome } = success.status === 201 ? create : change
  const end = (request: EndpointRequest, outcome: ChangeOutcome, response: AuditedResponse) => {
    const { record, delivery, body } = request
    delivery?.end(outcome)
    record.outcome = outcome
    audit.write({
      ...commonFields(request, name),
      outcome,
      status: response.status,
      recordId: response.recordId ?? getPathId(request, recordParam),
      rows: response.rowCounts,
      fingerprint: lookup === undefined ? undefined : audit.fingerprint(body.values.get(lookup.matchField)),
    }, auditEvent)
  }
  return async request => {
    if (!audit.reserve()) return auditOverloaded()
    let result: UpstreamResult
    try {
      result = await send(request)
    } catch (error) {
      end(request, failureOutcome(error, request.delivery) ?? 'not_sent', { status: 500 })
      throw error
    } finally {
      audit.release()
    }
    // A streamed form may turn out to be invalid after sending has begun.
    if (result.kind === 'failure' && request.body.getValidation()?.kind === 'invalid') return result
    end(request, changeOutcome(request, result, successOutcome), toAuditedResponse(result))
    return result
  }
}

/** Returns the failure of a request for whose audit line no space can be reserved. */
const auditOverloaded = (): UpstreamFailure => ({ kind: 'failure', error: auditOverloadedProblem() })

/** Creates the problem for a request that is refused because its audit line could be lost. */
export function auditOverloadedProblem (): Problem {
  return overloadedProblem('The audit trail cannot be written at present.', { outcome: 'not_sent' })
}

/** The part of a response that the audit line contains. The status is absent if the caller left before the response. */
interface AuditedResponse {
  status: number | undefined
  recordId?: number | string | undefined
  rowCounts?: Readonly<Record<string, number>>
}

function toAuditedResponse (result: EndpointResult): AuditedResponse {
  if (result.kind !== 'failure') return result.kind === 'success' ? result : { status: result.status }
  return { status: result.error instanceof Problem ? result.error.status : undefined }
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
  return failureOutcome(result.error, delivery) ?? 'not_sent'
}
