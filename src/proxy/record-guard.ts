/**
 * Reads an existing record before it is changed, and refuses the change if the record has values that callers may not
 * assign. The service account may change every user, administrators included; its callers may not.
 */
import type { ProxiedEndpoint, ValueRestriction } from '../endpoints/endpoint.ts'
import { expectJson } from '../procore/classify.ts'
import type { ProcoreClient, ProcoreRequest } from '../procore/client.ts'
import type { UpstreamResult } from '../procore/result.ts'
import { childRecord } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import { rejectionProblem } from './rejection.ts'
import { createUrlBuilder } from './url.ts'
import type { EndpointRequest } from './context.ts'

/** Sends the request to Procore that was built from a caller's request. */
export type SendToProcore = (request: EndpointRequest, call: ProcoreRequest) => Promise<UpstreamResult>

/**
 * Returns the function that sends the requests of the endpoint. If a record must be read before it is changed, every
 * failure to read it fails the change with `not_sent`.
 */
export function withRecordGuard ({ guard, params }: ProxiedEndpoint, procore: ProcoreClient): SendToProcore {
  if (guard === undefined || guard.restriction.values.size === 0) return (_request, call) => procore.send(call)
  const buildPath = createUrlBuilder(guard.procorePath, Object.keys(params.properties))
  return async (request, call) => {
    const { path, query, record } = request
    const read = await procore.send({
      method: 'GET',
      path: buildPath(path.values, new Map()),
      companyId: call.companyId,
      callerId: call.callerId,
      purpose: 'change',
      body: null,
      isIdempotent: true,
      expectation: expectJson,
      record: childRecord(record),
      signal: call.signal,
    })
    if (read.kind === 'rejection') return notSent(rejectionProblem(read, query.compiled))
    if (read.kind === 'failure') return read.error instanceof Problem ? notSent(read.error) : read
    const problem = findForbiddenValue(parseRecord(read.body), guard.restriction)
    return problem === undefined ? procore.send(call) : notSent(problem)
  }
}

const notSent = (problem: Problem): UpstreamResult =>
  ({ kind: 'failure', error: problem.withExtras({ outcome: 'not_sent' }) })

/** A missing field counts as forbidden, because Procore may have it under another name. */
function findForbiddenValue (
  record: Record<string, unknown>, { fields, values, code }: ValueRestriction
): Problem | undefined {
  const name = fields.find(field => record[field] !== null && !values.has(record[field]))
  if (name === undefined) return undefined
  return new Problem(code, `The ${name} of this record is not one that callers may assign.`)
}

function parseRecord (body: Buffer): Record<string, unknown> {
  const record = parseJson(body.toString('utf8'))
  return isJsonObject(record) ? record : {}
}
