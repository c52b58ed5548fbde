/** Writes the audit line of each caller who is refused: not authenticated, or without the permission. */
import type { ProblemCode } from '../server/problem.ts'
import type { Audit } from './audit.ts'
import { LineLimit } from './line-limit.ts'
import type { RequestEndListener } from './request-record.ts'

/** The codes of this service with status 401 or 403. Procore's own refusals are outcomes of a create or change. */
const refusalCodes: ReadonlySet<ProblemCode | undefined> = new Set<ProblemCode>([
  'unauthenticated', 'origin_not_allowed', 'company_not_allowed', 'operation_not_allowed', 'template_not_allowed',
])

/** Lines about callers without a verified subject are limited in number, because anyone can send such requests. */
export function createRefusalAudit (audit: Audit): RequestEndListener {
  const unauthenticated = new LineLimit()
  return {
    onRequestEnd: ({ record, request, status, route }) => {
      const { code, subject } = record
      if (!refusalCodes.has(code)) return
      const line = subject === undefined ? unauthenticated.take() : { omittedCount: 0 }
      // A refusal changes nothing, so it must not take the space that creates and changes need for their lines.
      if (line === undefined) return
      audit.writeUnreserved({
        subject: subject ?? '',
        address: record.address,
        companyId: record.companyId,
        operation: request.routeOptions.config.endpoint?.name,
        route,
        status,
        code,
        requestId: record.requestId,
        traceId: record.traceId,
        omittedCount: line.omittedCount === 0 ? undefined : line.omittedCount,
      }, 'refuse')
    },
  }
}
