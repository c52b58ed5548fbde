/** From a validated request to Procore's verdict: the path, the key under which it goes, and what to look for when the answer is lost. */
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

/** How a request that may have changed something is called in the audit trail, and how its success is. */
const changesByMethod = { GET: undefined, POST: { what: 'create', result: 'created' }, PATCH: { what: 'change', result: 'changed' } } as const
type ChangeKind = NonNullable<typeof changesByMethod[keyof typeof changesByMethod]>

/** Those of Procore's headers that belong to one page of a list. */
const paginationHeaders = ['link', 'total', 'per-page']

/** What all endpoints share. */
export interface ProxyServices {
  procore: ProcoreClient
  idempotency: Idempotency
  audit: Audit
  responseCache: ResponseCache
}

/** One endpoint as Procore has it. */
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
  /** Names the record in the path, where it has one already. */
  readonly #recordParam: string

  constructor (endpoint: ProxiedEndpoint, { procore, idempotency, audit, responseCache }: ProxyServices) {
    this.#endpoint = endpoint
    this.#procore = procore
    this.#idempotency = idempotency
    this.#audit = audit
    this.#responseCache = endpoint.cache === undefined ? undefined : responseCache
    const params = Object.keys(endpoint.params.properties)
    this.#buildPath = createUrlBuilder(endpoint.procorePath, params)
    this.#listPaths = endpoint.lookup?.listPaths.map(list => createUrlBuilder(list)) ?? []
    this.#change = endpoint.effect === 'safe' ? undefined : changesByMethod[endpoint.method]
    const { schema, isPage } = endpoint.success
    this.#expectation = schema === undefined || isPage === true ? { mayBeEmpty: schema === undefined, headers: isPage === true ? paginationHeaders : [] } : expectJson
    this.#recordParam = params.find(name => name !== 'company_id') ?? ''
  }

  /** Sends it, and notes in the audit trail what came of what may have changed something. @throws {Problem} with its `outcome` */
  send (outgoing: ValidatedBody, envelope: RequestMetadata): Promise<UpstreamResult> {
    const change = this.#change
    if (this.#responseCache !== undefined) return this.#sendCached(outgoing, envelope, this.#responseCache)
    return change === undefined ? this.#sendOnce(outgoing, envelope) : this.#sendAudited(outgoing, envelope, change)
  }

  /** Whoever asks first asks for all; what comes of it is noted on that one's trail. */
  async #sendCached (outgoing: ValidatedBody, envelope: RequestMetadata, kept: ResponseCache): Promise<UpstreamResult> {
    const { record, signal } = envelope
    const call = this.#createRequest(outgoing, envelope)
    const { result, procoreRequestId, cacheStatus, ageSeconds } = await kept.get(cacheKey(call), signal, async () => {
      if (this.#procore.isAtCapacity) throw overloadedProblem('Too many requests wait for Procore.')
      return { result: await this.#procore.send({ ...call, signal: neverAborted }), procoreRequestId: record.procoreRequestId }
    })
    if (procoreRequestId !== undefined) record.procoreRequestId = procoreRequestId
    if (result.kind !== 'success') return result
    record.cache = cacheStatus
    if (!isCompleteList(result)) return result
    return { ...result, cacheInfo: { lifetimeSeconds: kept.ttlMs / 1000, ageSeconds, cacheStatus } }
  }

  async #sendAudited (outgoing: ValidatedBody, envelope: RequestMetadata, change: ChangeKind): Promise<UpstreamResult> {
    try {
      const verdict = await this.#sendOnce(outgoing, envelope)
      this.#writeAudit(outgoing, envelope, change, changeOutcome(verdict, envelope.record, change), verdict)
      return verdict
    } catch (error) {
      const problem = error instanceof Problem ? error : undefined
      const { replayed, provisionalOutcome } = envelope.record
      this.#writeAudit(outgoing, envelope, change, replayed === true ? 'replayed' : problem?.extras.outcome ?? provisionalOutcome ?? 'not_sent', { status: problem?.status })
      throw error
    }
  }

  #writeAudit ({ values }: ValidatedBody, { subject, path, query, record, requestId, route }: RequestMetadata, { what }: ChangeKind, outcome: ChangeOutcome, { status, recordId }: { status: number | undefined, recordId?: number | string | undefined }): void {
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
    }, what)
  }

  #sendOnce (outgoing: ValidatedBody, envelope: RequestMetadata): Promise<UpstreamResult> {
    const { idempotencyKey, subject } = envelope
    const call = this.#createRequest(outgoing, envelope)
    if (idempotencyKey === undefined) return this.#procore.send(call)
    const scope: IdempotencyScope = { caller: subject, companyId: call.companyId, endpoint: this.#endpoint.name, idempotencyKey }
    return this.#idempotency.execute(scope, {
      record: call.record,
      send: () => this.#procore.send({ ...call, idempotencyToken: this.#idempotency.upstreamToken(scope) }),
      drain: outgoing.drain,
      fingerprint: outgoing.validated.then(digest => fingerprintRequest(outgoing, envelope, digest)),
      resolve: (unknown, sentAtMs) => this.#procore.reconcile(call, unknown, sentAtMs),
    })
  }

  #createRequest ({ body, contentType, values, stopBody }: ValidatedBody, { path, query, record, signal }: RequestMetadata): ProcoreRequest {
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
      lookupCriteria: lookup === undefined ? undefined : this.#lookupCriteria(lookup, path, values),
    }
  }

  #lookupCriteria ({ matchField, fieldPaths = {} }: LookupDescription, path: RecordValidator, values: ValidatedBody['values']): LookupCriteria {
    const listPaths = () => {
      const search = new Map([['filters[search]', values.get(matchField)]])
      return this.#listPaths.map(list => list(path.values, search))
    }
    return { listPaths, matchField, values, fieldPaths }
  }
}

/** Wherever the route has it. */
function getCompanyId (path: RecordValidator, query: RecordValidator): number {
  return Number(path.values.get('company_id') ?? query.values.get('company_id'))
}

function toRecordId (value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** The same question has the same name, in whichever order it was asked. */
function cacheKey ({ companyId, path }: ProcoreRequest): string {
  const [place = '', query = ''] = path.split('?')
  return `${companyId} ${place} ${query.split('&').sort().join('&')}`
}

/** A repeat is no other create, whatever it is told again; only what it found by looking is news. */
function changeOutcome (verdict: UpstreamResult, { replayed, lookupCount }: RequestRecord, { result }: ChangeKind): ChangeOutcome {
  const isRecovered = verdict.kind === 'success' && verdict.recovered === true
  if (replayed === true && !(isRecovered && lookupCount !== undefined)) return 'replayed'
  if (verdict.kind === 'rejection') return 'rejected'
  return isRecovered ? 'recovered' : result
}

/** By what is meant, not by how it was written: JSON and a form with the same values and the same avatar are the same request. */
function fingerprintRequest ({ values }: ValidatedBody, { path, query }: RequestMetadata, imageDigest: string): string {
  // The company is a part of the key's name, so that most paths add nothing.
  const place = path.values.size > 1 ? [path.values] : []
  const sorted = [values, query.values, ...place].map(map => [...map].sort(([a], [b]) => a < b ? -1 : 1))
  return hash('sha256', JSON.stringify([...sorted, imageDigest]), 'base64url')
}
