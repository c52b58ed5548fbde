/** Builds the function that sends the validated requests of one endpoint: Procore, wrapped in the endpoint's layers. */
import type { TSchema } from '@sinclair/typebox'
import { getRecords, type Body, type LookupSpec, type ProxiedEndpoint } from '../endpoints/endpoint.ts'
import type { Audit } from '../telemetry/audit.ts'
import type { LookupCriteria } from '../procore/recovery/lookup.ts'
import { expectJson, pageHeaderNames, type ResponseExpectation } from '../procore/classify.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { withAudit, withReadAudit } from './audit.ts'
import { withIdempotency, type Idempotency } from './idempotency/idempotency.ts'
import { withCompanyFilter } from './company-filter.ts'
import { withCache, type ResponseCache } from './response-cache.ts'
import { withRecordGuard } from './record-guard.ts'
import { withRowCounts } from './row-counts.ts'
import { withUserSync } from './user-sync.ts'
import { getCompanyId } from './validation/parameters.ts'
import { createUrlBuilder } from './url.ts'
import type { EndpointRequest, RequestBuilder, Send } from './context.ts'

/** The services that all endpoints share. */
export interface ProxyServices {
  procore: ProcoreClient
  idempotency: Idempotency
  audit: Audit
  responseCache: ResponseCache
}

/**
 * Returns the function that sends the requests of the endpoint. A list goes through the cache. A create or change goes
 * through the audit log, then through the idempotency keys, then through the check of the records that it changes.
 */
export function createEndpointClient (endpoint: ProxiedEndpoint, services: ProxyServices): Send {
  const { procore, audit, responseCache } = services
  const params = Object.keys(endpoint.params.properties)
  const toProcoreRequest = createRequestBuilder(endpoint, params)
  const recordParam = params.find(name => name !== 'company_id') ?? ''
  if (endpoint.effect === 'safe') {
    if (endpoint.companies === 'filtered') return withCompanyFilter(toProcoreRequest, procore)
    const sendRead: Send = endpoint.cache === undefined
      ? request => procore.send(toProcoreRequest(request))
      : withCache(endpoint.name, toProcoreRequest, procore, responseCache)
    return endpoint.readsPeople === true ? withReadAudit(sendRead, endpoint.name, recordParam, audit) : sendRead
  }
  const sendGuarded = withUserSync(endpoint, procore) ?? withRowCounts(endpoint, withRecordGuard(endpoint, procore))
  const sendOnce = withIdempotency(toProcoreRequest, sendGuarded, services, endpoint.name)
  return withAudit(sendOnce, endpoint, recordParam, audit)
}

/** @param params names of the parameters of the caller's path */
export function createRequestBuilder (endpoint: ProxiedEndpoint, params: readonly string[]): RequestBuilder {
  const { method, effect, lookup, companies } = endpoint
  const buildPath = createUrlBuilder(endpoint.procorePath, params)
  const expectation = getExpectation(endpoint)
  const buildCriteria = lookup === undefined ? () => undefined : createCriteriaBuilder(lookup, endpoint.body)
  return request => {
    const { path, query, body, callerId, usage, record, delivery, signal } = request
    return {
      method,
      path: buildPath(path.values, query.values),
      companyId: companies === 'filtered' ? undefined : getCompanyId(path, query),
      callerId,
      isIdempotent: effect !== 'once',
      expectation,
      contentType: body.contentType,
      body: body.content,
      hasImage: body.hasImage,
      stopBody: body.stopBody,
      // The response to a change is never refused, because it is the only report of the change.
      countResponseBytes: effect === 'safe' ? bytes => usage.add('bytes', bytes) : undefined,
      record,
      delivery,
      signal,
      lookupCriteria: buildCriteria(request),
    }
  }
}

function createCriteriaBuilder (
  { lists, matchField, originField, fieldPaths = {} }: LookupSpec, body: Body | undefined
): (request: EndpointRequest) => LookupCriteria {
  const builders = lists.map(({ path, isActive }) => ({ buildPath: createUrlBuilder(path), isActive }))
  const records = body === undefined ? [] : getRecords(body)
  const fields = records.flatMap(record => Object.entries<TSchema>(record.fields.properties))
  const emailFields = new Set(fields.filter(([, { format }]) => format === 'email').map(([name]) => name))
  return ({ path, body: { values }, mayShowRecord, mayShowExisting, generatedOriginIds, usage }) => ({
    buildLists: query => builders.map(({ buildPath, isActive }) => {
      return { path: buildPath(path.values, query), isActive }
    }),
    matchField,
    originField,
    generatedOriginIds,
    emailFields,
    values,
    fieldPaths,
    mayShowRecord,
    mayShowExisting,
    countListBytes: bytes => usage.add('bytes', bytes),
  })
}

function getExpectation ({ success: { schema, isPage } }: ProxiedEndpoint): ResponseExpectation {
  if (schema !== undefined && isPage !== true) return expectJson
  return { mayBeEmpty: schema === undefined, headers: isPage === true ? pageHeaderNames : [] }
}
