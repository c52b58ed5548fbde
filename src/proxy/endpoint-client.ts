/** From a validated request to Procore's verdict: the path, the key under which it goes, and what to look for when the answer is lost. */
import { hash } from 'node:crypto'
import type { Endpoint, ProxiedEndpoint } from '../endpoints/endpoint.ts'
import type { Audit } from '../telemetry/audit.ts'
import type { ChangeOutcome, RequestRecord } from '../telemetry/request-record.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import { neverAborted, type DisconnectSignal } from '../server/disconnect-signal.ts'
import type { LookupCriteria } from '../procore/recovery/lookup.ts'
import { expectJson, type ResponseExpectation, type UpstreamResult } from '../procore/interpret.ts'
import type { ProcoreClient, ProcoreRequest } from '../procore/client.ts'
import type { Draft } from './validation/record.ts'
import type { Keys, KeyScope } from './idempotency/idempotency.ts'
import { isList, type KeptAnswers } from './response-cache.ts'
import { pathTemplate, type PathTemplate } from './url.ts'
import type { Outgoing } from './context.ts'

/** What is known of a request beside its body. */
export interface Envelope {
  path: Draft
  query: Draft
  /** Whose Idempotency-Key it is: only a verified subject tells callers apart, since an address may change between two tries. */
  subject: string
  /** The caller's Idempotency-Key. */
  key: string | undefined
  trail: RequestRecord
  caller: DisconnectSignal
  requestId: string
  route: string | undefined
}

type LookUp = NonNullable<Endpoint['lookup']>

/** How a request that may have changed something is called in the audit trail, and how its success is. */
const changes = { GET: undefined, POST: { what: 'create', result: 'created' }, PATCH: { what: 'change', result: 'changed' } } as const
type Change = NonNullable<typeof changes[keyof typeof changes]>

/** Those of Procore's headers that belong to one page of a list. */
const pageHeaders = ['link', 'total', 'per-page']

/** What all endpoints share. */
export interface UpstreamParts {
  procore: ProcoreClient
  keys: Keys
  audit: Audit
  kept: KeptAnswers
}

/** One endpoint as Procore has it. */
export class Upstream {
  readonly #endpoint: ProxiedEndpoint
  readonly #procore: ProcoreClient
  readonly #keys: Keys
  readonly #audit: Audit
  readonly #kept: KeptAnswers | undefined
  readonly #path: PathTemplate
  readonly #lists: readonly PathTemplate[]
  readonly #change: Change | undefined
  readonly #expected: ResponseExpectation
  /** Names the record in the path, where it has one already. */
  readonly #recordParam: string

  constructor (endpoint: ProxiedEndpoint, { procore, keys, audit, kept }: UpstreamParts) {
    this.#endpoint = endpoint
    this.#procore = procore
    this.#keys = keys
    this.#audit = audit
    this.#kept = endpoint.cache === undefined ? undefined : kept
    const params = Object.keys(endpoint.params.properties)
    this.#path = pathTemplate(endpoint.procorePath, params)
    this.#lists = endpoint.lookup?.listPaths.map(list => pathTemplate(list)) ?? []
    this.#change = endpoint.effect === 'safe' ? undefined : changes[endpoint.method]
    const { schema, isPage } = endpoint.success
    this.#expected = schema === undefined || isPage === true ? { mayBeEmpty: schema === undefined, headers: isPage === true ? pageHeaders : [] } : expectJson
    this.#recordParam = params.find(name => name !== 'company_id') ?? ''
  }

  /** Sends it, and notes in the audit trail what came of what may have changed something. @throws {Problem} with its `outcome` */
  send (outgoing: Outgoing, envelope: Envelope): Promise<UpstreamResult> {
    const change = this.#change
    if (this.#kept !== undefined) return this.#passKept(outgoing, envelope, this.#kept)
    return change === undefined ? this.#pass(outgoing, envelope) : this.#passNoted(outgoing, envelope, change)
  }

  /** Whoever asks first asks for all; what comes of it is noted on that one's trail. */
  async #passKept (outgoing: Outgoing, envelope: Envelope, kept: KeptAnswers): Promise<UpstreamResult> {
    const { trail, caller } = envelope
    const call = this.#call(outgoing, envelope)
    const { verdict, procoreRequestId, source: cacheStatus, ageSeconds } = await kept.ask(nameOf(call), caller, async () => {
      if (this.#procore.isAtCapacity) throw overloadedProblem('Too many requests wait for Procore.')
      return { verdict: await this.#procore.send({ ...call, signal: neverAborted }), procoreRequestId: trail.procoreRequestId }
    })
    if (procoreRequestId !== undefined) trail.procoreRequestId = procoreRequestId
    if (verdict.kind !== 'success') return verdict
    trail.cache = cacheStatus
    if (!isList(verdict)) return verdict
    return { ...verdict, cacheInfo: { lifetimeSeconds: kept.lifetimeMs / 1000, ageSeconds, cacheStatus } }
  }

  async #passNoted (outgoing: Outgoing, envelope: Envelope, change: Change): Promise<UpstreamResult> {
    try {
      const verdict = await this.#pass(outgoing, envelope)
      this.#note(outgoing, envelope, change, resultOf(verdict, envelope.trail, change), verdict)
      return verdict
    } catch (error) {
      const problem = error instanceof Problem ? error : undefined
      const { replayed, provisionalOutcome } = envelope.trail
      this.#note(outgoing, envelope, change, replayed === true ? 'replayed' : problem?.extras.outcome ?? provisionalOutcome ?? 'not_sent', { status: problem?.status })
      throw error
    }
  }

  #note ({ values }: Outgoing, { subject, path, query, trail, requestId, route }: Envelope, { what }: Change, outcome: ChangeOutcome, { status, recordId }: { status: number | undefined, recordId?: number | string | undefined }): void {
    const { name, lookup } = this.#endpoint
    trail.outcome = outcome
    this.#audit.write({
      subject,
      companyId: companyOf(path, query),
      operation: name,
      route,
      outcome,
      status,
      recordId: recordId ?? idOf(path.values.get(this.#recordParam)),
      requestId,
      traceId: trail.traceId,
      procoreRequestId: trail.procoreRequestId,
      fingerprint: lookup === undefined ? undefined : this.#audit.fingerprint(values.get(lookup.matchField)),
    }, what)
  }

  #pass (outgoing: Outgoing, envelope: Envelope): Promise<UpstreamResult> {
    const { key, subject } = envelope
    const call = this.#call(outgoing, envelope)
    if (key === undefined) return this.#procore.send(call)
    const scope: KeyScope = { caller: subject, companyId: call.companyId, endpoint: this.#endpoint.name, key }
    return this.#keys.pass(scope, {
      trail: call.record,
      send: () => this.#procore.send({ ...call, idempotencyToken: this.#keys.tokenOf(scope) }),
      discard: outgoing.discard,
      fingerprint: outgoing.complete.then(digest => fingerprint(outgoing, envelope, digest)),
      resolve: (unknown, sentAtMs) => this.#procore.reconcile(call, unknown, sentAtMs),
    })
  }

  #call ({ body, contentType, values, halt: stopBody }: Outgoing, { path, query, trail: record, caller: signal }: Envelope): ProcoreRequest {
    const { method, effect, lookup } = this.#endpoint
    return {
      method,
      path: this.#path(path.values, query.values),
      companyId: companyOf(path, query),
      isIdempotent: effect !== 'once',
      expectation: this.#expected,
      contentType,
      body,
      stopBody,
      record,
      signal,
      lookupCriteria: lookup === undefined ? undefined : this.#wanted(lookup, path, values),
    }
  }

  #wanted ({ matchField, fieldPaths = {} }: LookUp, path: Draft, values: Outgoing['values']): LookupCriteria {
    const listPaths = () => {
      const search = new Map([['filters[search]', values.get(matchField)]])
      return this.#lists.map(list => list(path.values, search))
    }
    return { listPaths, matchField, values, fieldPaths }
  }
}

/** Wherever the route has it. */
function companyOf (path: Draft, query: Draft): number {
  return Number(path.values.get('company_id') ?? query.values.get('company_id'))
}

function idOf (value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** The same question has the same name, in whichever order it was asked. */
function nameOf ({ companyId, path }: ProcoreRequest): string {
  const [place = '', query = ''] = path.split('?')
  return `${companyId} ${place} ${query.split('&').sort().join('&')}`
}

/** A repeat is no other create, whatever it is told again; only what it found by looking is news. */
function resultOf (verdict: UpstreamResult, { replayed, lookupCount }: RequestRecord, { result }: Change): ChangeOutcome {
  const isRecovered = verdict.kind === 'success' && verdict.recovered === true
  if (replayed === true && !(isRecovered && lookupCount !== undefined)) return 'replayed'
  if (verdict.kind === 'rejection') return 'rejected'
  return isRecovered ? 'recovered' : result
}

/** By what is meant, not by how it was written: JSON and a form with the same values and the same avatar are the same request. */
function fingerprint ({ values }: Outgoing, { path, query }: Envelope, imageDigest: string): string {
  // The company is a part of the key's name, so that most paths add nothing.
  const place = path.values.size > 1 ? [path.values] : []
  const sorted = [values, query.values, ...place].map(map => [...map].sort(([a], [b]) => a < b ? -1 : 1))
  return hash('sha256', JSON.stringify([...sorted, imageDigest]), 'base64url')
}
