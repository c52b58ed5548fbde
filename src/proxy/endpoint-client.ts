import { hash } from 'node:crypto'
import type { Endpoint, ProxiedEndpoint } from '../endpoints/endpoint.ts'
import type { Audit } from '../telemetry/audit.ts'
import type { ChangeOutcome, RequestRecord } from '../telemetry/request-record.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import { neverAborted } from '../server/disconnect-signal.ts'
import type { LookupCriteria } from '../procore/recovery/lookup.ts'
import { expectJson, type ResponseExpectation, type UpstreamResult } from '../procore/interpret.ts'
import type { ProcoreClient, ProcoreRequest } from '../procore/client.ts'
import type { RecordValidator } from './validation/record.ts'
import type { Idempotency, IdempotencyScope } from './idempotency/idempotency.ts'
import { isCompleteList, type ResponseCache } from './response-cache.ts'
import { createUrlBuilder, type UrlBuilder } from './url.ts'
import type { RequestMetadata, ValidatedBody } from './context.ts'

type LookupDescription = NonNullable<Endpoint['lookup']>

/** The audit event of a request that may have changed something, and the outcome of its success. */
const changesByMethod = {
  GET: undefined,
  POST: { auditEvent: 'create', successOutcome: 'created' },
  PATCH: { auditEvent: 'change', successOutcome: 'changed' },
} as const
type ChangeKind = NonNullable<typeof changesByMethod[keyof typeof changesByMethod]>

/** Procore's headers that belong to one page of a list. */
const paginationHeaders = ['link', 'total', 'per-page']

/** The services that all endpoints share. */
export interface ProxyServices {
  procore: ProcoreClient
  idempotency: Idempotency
  audit: Audit
  responseCache: ResponseCache
}

/** What the audit line of a change says about Procore's response. */
interface AuditedResponse {
  status: number | undefined
  recordId?: number | string | undefined
}

/** Sends validated requests of one endpoint to Procore, through the cache, the audit log and the idempotency store. */
export class EndpointClient {
  readonly #endpoint: ProxiedEndpoint
  readonly #procore: ProcoreClient
  readonly #idempotency: Idempotency
  readonly #audit: Audit
  readonly #responseCache: ResponseCache | undefined
  readonly #buildPath: UrlBuilder
  readonly #listPaths: readonly UrlBuilder[]
  readonly #change: ChangeKind | undefined
  readonly #expectation: ResponseExpectation
  /** The path parameter with the id of an existing record; empty if the endpoint has none. */
  readonly #recordParam: string

  constructor (endpoint: ProxiedEndpoint, { procore, idempotency, audit, responseCache }: ProxyServices) {
    this.#endpoint = endpoint
    this.#procore = procore
    this.#idempotency = idempotency
    this.#audit = audit
    this.#responseCache = endpoint.cache === undefined ? undefined : responseCache
    const params = Object.keys(endpoint.params.properties)
    this.#buildPath = createUrlBuilder(endpoint.procorePath, params)
    this.#listPaths = endpoint.lookup?.listPaths.map(listPath => createUrlBuilder(listPath)) ?? []
    this.#change = endpoint.effect === 'safe' ? undefined : changesByMethod[endpoint.method]
    this.#expectation = getExpectation(endpoint)
    this.#recordParam = params.find(name => name !== 'company_id') ?? ''
  }

  /**
   * Sends a request and writes an audit line if it may have changed something.
   * @throws {Problem} with its `outcome`
   */
  send (requestBody: ValidatedBody, metadata: RequestMetadata): Promise<UpstreamResult> {
    const change = this.#change
    if (this.#responseCache !== undefined) return this.#sendCached(requestBody, metadata, this.#responseCache)
    if (change === undefined) return this.#sendOnce(requestBody, metadata)
    return this.#sendAudited(requestBody, metadata, change)
  }

  /**
   * Shares one exchange among all requests for the same list. The record of the request that started the exchange gets
   * its times and statuses. The exchange is not aborted when that caller disconnects, because others wait for it.
   */
  async #sendCached (
    requestBody: ValidatedBody, metadata: RequestMetadata, responseCache: ResponseCache
  ): Promise<UpstreamResult> {
    const { record, signal } = metadata
    const request = this.#createRequest(requestBody, metadata)
    const cached = await responseCache.get(getCacheKey(request), signal, async () => {
      if (this.#procore.isAtCapacity) throw overloadedProblem('Too many requests are waiting for Procore.')
      const result = await this.#procore.send({ ...request, signal: neverAborted })
      return { result, procoreRequestId: record.procoreRequestId }
    })
    const { result, procoreRequestId, cacheStatus, ageSeconds } = cached
    if (procoreRequestId !== undefined) record.procoreRequestId = procoreRequestId
    if (result.kind !== 'success') return result
    record.cache = cacheStatus
    if (!isCompleteList(result)) return result
    return { ...result, cacheInfo: { lifetimeSeconds: responseCache.ttlMs / 1000, ageSeconds, cacheStatus } }
  }

  async #sendAudited (
    requestBody: ValidatedBody, metadata: RequestMetadata, change: ChangeKind
  ): Promise<UpstreamResult> {
    try {
      const result = await this.#sendOnce(requestBody, metadata)
      this.#writeAudit(requestBody, metadata, change, getChangeOutcome(result, metadata.record, change), result)
      return result
    } catch (error) {
      const problem = error instanceof Problem ? error : undefined
      const { replayed, provisionalOutcome } = metadata.record
      const failureOutcome = problem?.extras.outcome ?? provisionalOutcome ?? 'not_sent'
      const outcome = replayed === true ? 'replayed' : failureOutcome
      this.#writeAudit(requestBody, metadata, change, outcome, { status: problem?.status })
      throw error
    }
  }

  #writeAudit (
    { values }: ValidatedBody,
    { subject, path, query, record, requestId, route }: RequestMetadata,
    { auditEvent }: ChangeKind,
    outcome: ChangeOutcome,
    { status, recordId }: AuditedResponse
  ): void {
    const { name, lookup } = this.#endpoint
    record.outcome = outcome
    this.#audit.write({
      subject,
      companyId: getCompanyId(path, query),
      operation: name,
      route,
      outcome,
      status,
      recordId: recordId ?? toRecordId(path.values.get(this.#recordParam)),
      requestId,
      traceId: record.traceId,
      procoreRequestId: record.procoreRequestId,
      fingerprint: lookup === undefined ? undefined : this.#audit.fingerprint(values.get(lookup.matchField)),
    }, auditEvent)
  }

  /** Sends a request once per idempotency key, or just sends it if it has none. */
  #sendOnce (requestBody: ValidatedBody, metadata: RequestMetadata): Promise<UpstreamResult> {
    const { idempotencyKey, subject } = metadata
    const request = this.#createRequest(requestBody, metadata)
    if (idempotencyKey === undefined) return this.#procore.send(request)
    const scope: IdempotencyScope = {
      caller: subject,
      companyId: request.companyId,
      endpoint: this.#endpoint.name,
      idempotencyKey,
    }
    return this.#idempotency.execute(scope, {
      record: request.record,
      send: () => this.#procore.send({ ...request, idempotencyToken: this.#idempotency.upstreamToken(scope) }),
      drain: requestBody.drain,
      fingerprint: requestBody.validated.then(digest => fingerprintRequest(requestBody, metadata, digest)),
      resolve: (unknownProblem, sentAtMs) => this.#procore.reconcile(request, unknownProblem, sentAtMs),
    })
  }

  #createRequest (
    { body, contentType, values, stopBody }: ValidatedBody, { path, query, record, signal }: RequestMetadata
  ): ProcoreRequest {
    const { method, effect, lookup } = this.#endpoint
    return {
      method,
      path: this.#buildPath(path.values, query.values),
      companyId: getCompanyId(path, query),
      isIdempotent: effect !== 'once',
      expectation: this.#expectation,
      contentType,
      body,
      stopBody,
      record,
      signal,
      lookupCriteria: lookup === undefined ? undefined : this.#createLookupCriteria(lookup, path, values),
    }
  }

  #createLookupCriteria (
    { matchField, fieldPaths = {} }: LookupDescription, path: RecordValidator, values: ValidatedBody['values']
  ): LookupCriteria {
    const listPaths = () => {
      const search = new Map([['filters[search]', values.get(matchField)]])
      return this.#listPaths.map(buildListPath => buildListPath(path.values, search))
    }
    return { listPaths, matchField, values, fieldPaths }
  }
}

function getExpectation ({ success: { schema, isPage } }: ProxiedEndpoint): ResponseExpectation {
  if (schema !== undefined && isPage !== true) return expectJson
  return { mayBeEmpty: schema === undefined, headers: isPage === true ? paginationHeaders : [] }
}

/** Reads the company from the path or the query, depending on the route. */
function getCompanyId (path: RecordValidator, query: RecordValidator): number {
  return Number(path.values.get('company_id') ?? query.values.get('company_id'))
}

function toRecordId (value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** Returns the same cache key for equal queries, whatever the order of their parameters. */
function getCacheKey ({ companyId, path: pathWithQuery }: ProcoreRequest): string {
  const [path = '', query = ''] = pathWithQuery.split('?')
  return `${companyId} ${path} ${query.split('&').sort().join('&')}`
}

/**
 * Returns the outcome for the audit log. A replayed request is not another create, whatever response is repeated. Only
 * a lookup that this request made itself and that found the record is news: that is `recovered`.
 */
function getChangeOutcome (
  result: UpstreamResult, { replayed, lookupCount }: RequestRecord, { successOutcome }: ChangeKind
): ChangeOutcome {
  const isRecovered = result.kind === 'success' && result.recovered === true
  if (replayed === true && !(isRecovered && lookupCount !== undefined)) return 'replayed'
  if (result.kind === 'rejection') return 'rejected'
  return isRecovered ? 'recovered' : successOutcome
}

/** Hashes values, not bytes: JSON and a form with the same values and the same avatar are the same request. */
function fingerprintRequest (
  { values }: ValidatedBody, { path, query }: RequestMetadata, imageDigest: string
): string {
  // The company is a part of the scope of the idempotency key, so a path with no other parameter adds nothing.
  const pathValues = path.values.size > 1 ? [path.values] : []
  const sorted = [values, query.values, ...pathValues].map(map => [...map].sort(([a], [b]) => a < b ? -1 : 1))
  return hash('sha256', JSON.stringify([...sorted, imageDigest]), 'base64url')
}
