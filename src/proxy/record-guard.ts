/**
 * Reads an existing record before it is changed, and refuses the change if the record has values that callers may not
 * assign. The service account may change every user, administrators included; its callers may not.
 */
import type { ProxiedEndpoint, ValueRestriction } from '../endpoints/endpoint.ts'
import { limits } from '../config/limits.ts'
import { expectJson, expectPage, type ResponseExpectation } from '../procore/classify.ts'
import type { ProcoreClient, ProcoreRequest } from '../procore/client.ts'
import { isLastPage } from '../procore/page-links.ts'
import type { UpstreamFailure, UpstreamRejection, UpstreamResult, UpstreamSuccess } from '../procore/result.ts'
import { childRecord } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import { rejectionProblem } from './rejection.ts'
import { createUrlBuilder, type ParameterValues } from './url.ts'
import type { EndpointRequest } from './context.ts'

/** Sends the request to Procore that was built from a caller's request. */
export type SendToProcore = (request: EndpointRequest, call: ProcoreRequest) => Promise<UpstreamResult>

/**
 * Returns the function that sends the requests of the endpoint. If a record must be read before it is changed, every
 * failure to read it fails the change with `not_sent`.
 */
export function withRecordGuard ({ guard, params }: ProxiedEndpoint, procore: ProcoreClient): SendToProcore {
  if (guard === undefined || guard.restriction.values.size === 0) return (_request, call) => procore.send(call)
  const { restriction } = guard
  const names = Object.keys(params.properties)
  const recordParam = names.find(name => name !== 'company_id') ?? ''
  const buildPath = createUrlBuilder(guard.procorePath, names)
  const buildListPath = guard.listPath === undefined ? undefined : createUrlBuilder(guard.listPath)
  return async (request, call) => {
    const { values } = request.path
    let read = await procore.send(readRequest(request, call, buildPath(values, noQuery), expectJson))
    if (read.kind === 'rejection' && read.status === 404 && buildListPath !== undefined) {
      const listPath = buildListPath(values, firstPage)
      const page = await procore.send(readRequest(request, call, listPath, expectPage))
      read = page.kind === 'success' ? findInPage(page, values.get(recordParam), restriction) ?? read : page
    }
    if (read.kind !== 'success') return failUnread(read, request)
    const field = findForbiddenField(parseRecord(read.body), restriction)
    if (field === undefined) return procore.send(call)
    return notSent(new Problem(restriction.code, `The ${field} of this record is not one that callers may assign.`))
  }
}

/** Returns the failure of a change that is not sent. */
export const notSent = (problem: Problem): UpstreamFailure =>
  ({ kind: 'failure', error: problem.withExtras({ outcome: 'not_sent' }) })

/** Returns the failure of a change whose existing records could not be read. */
export function failUnread (read: UpstreamRejection | UpstreamFailure, { query }: EndpointRequest): UpstreamFailure {
  if (read.kind === 'rejection') return notSent(rejectionProblem(read, query.compiled))
  return read.error instanceof Problem ? notSent(read.error) : read
}

const noQuery: ParameterValues = new Map()
const firstPage: ParameterValues = new Map([['per_page', limits.lookup.listItemsMax]])

function readRequest (
  { record }: EndpointRequest,
  { companyId, callerId, signal }: ProcoreRequest,
  path: string,
  expectation: ResponseExpectation
): ProcoreRequest {
  return {
    method: 'GET',
    path,
    companyId,
    callerId,
    purpose: 'change',
    body: null,
    isIdempotent: true,
    expectation,
    record: childRecord(record),
    signal,
  }
}

/** Returns the record as if it had been read by itself, or undefined if the whole list does not have it. */
function findInPage (page: UpstreamSuccess, id: unknown, { code }: ValueRestriction): UpstreamResult | undefined {
  const items = parseJson(page.body.toString('utf8'))
  const list: unknown[] = Array.isArray(items) ? items : []
  const item = list.find(candidate => isJsonObject(candidate) && candidate['id'] === id)
  if (item !== undefined) return { ...page, body: Buffer.from(JSON.stringify(item)) }
  if (isLastPage(page.headers ?? {}, list.length) && Array.isArray(items)) return undefined
  const detail = 'The record is not in the first page of Procore\'s list, so its values cannot be checked.'
  return { kind: 'failure', error: new Problem(code, detail) }
}

/** A missing field counts as forbidden, because Procore may have it under another name. */
export function findForbiddenField (
  record: Record<string, unknown>, { fields, values }: ValueRestriction
): string | undefined {
  return fields.find(field => record[field] !== null && !values.has(record[field]))
}

function parseRecord (body: Buffer): Record<string, unknown> {
  const record = parseJson(body.toString('utf8'))
  return isJsonObject(record) ? record : {}
}
