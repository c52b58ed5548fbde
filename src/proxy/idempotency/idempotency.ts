/**
 * Executes requests with an idempotency key: the first request with a key is sent, and repeated ones get its result.
 * The outcome decides here what is stored for a key; the store only stores it.
 */
import { createHmac, hash, hkdfSync } from 'node:crypto'
import { Problem, type ProblemCode } from '../../server/problem.ts'
import { isAbortReason } from '../../server/abort.ts'
import type { ProcoreClient, RequestTimes } from '../../procore/client.ts'
import { failureOutcome } from '../../procore/delivery.ts'
import type { RelayedResult, UpstreamRejection, UpstreamResult } from '../../procore/result.ts'
import type { Secret } from '../../config/secret.ts'
import type {
  CompletedRecord, IdempotencyRecord, IdempotencyStore, IndeterminateRecord,
} from '../../storage/idempotency-store.ts'
import type { EndpointRequest, RequestBuilder, Send } from '../context.ts'
import type { SendToProcore } from '../record-guard.ts'
import { monotonicNowMs } from '../../util/clock.ts'
import { isJsonObject } from '../../util/is-json-object.ts'

/** The owner and the operation of an idempotency key: equal keys of different scopes are independent. */
export interface IdempotencyScope {
  caller: string
  companyId: number | undefined
  endpoint: string
  idempotencyKey: string
}

/** The operations of a request with an idempotency key. */
interface IdempotentOperations {
  send (): Promise<UpstreamResult>
  /** Looks up the record that an earlier request with the same values may have created. */
  reconcile (unknownProblem: Problem, times: RequestTimes): Promise<UpstreamResult>
}

/** Sends a request once per idempotency key, or just sends it if it has none. */
export function withIdempotency (
  toProcoreRequest: RequestBuilder,
  sendToProcore: SendToProcore,
  { procore, idempotency }: { procore: ProcoreClient, idempotency: Idempotency },
  endpoint: string
): Send {
  return request => {
    const { idempotencyKey, subject: caller } = request
    const call = toProcoreRequest(request)
    if (idempotencyKey === undefined) return sendToProcore(request, call)
    const scope: IdempotencyScope = { caller, companyId: call.companyId, endpoint, idempotencyKey }
    const idempotencyToken = idempotency.upstreamToken(scope)
    return idempotency.execute(scope, request, {
      send: () => sendToProcore(request, { ...call, idempotencyToken }),
      reconcile: (unknownProblem, times) => {
        return procore.reconcile({ ...call, record: request.record }, unknownProblem, times, idempotencyToken)
      },
    })
  }
}

/** The idempotency layer (draft-ietf-httpapi-idempotency-key-header). The store limits the lifetime of a key. */
export class Idempotency {
  readonly #store: IdempotencyStore
  readonly #upstreamTokenHmacKey: Buffer

  /** @param secret must stay the same for as long as the store has its keys */
  constructor (store: IdempotencyStore, secret: Secret) {
    this.#store = store
    this.#upstreamTokenHmacKey = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'idempotency-token', 32))
  }

  /**
   * Returns the idempotency token for Procore. It is an HMAC, because all callers share one account at Procore and none
   * may guess the token of another.
   */
  upstreamToken (scope: IdempotencyScope): string {
    return createHmac('sha256', this.#upstreamTokenHmacKey).update(serializeScope(scope)).digest('base64url')
  }

  /** Fails with `idempotency_in_progress`, `idempotency_key_reused`, or as the first request did. */
  async execute (
    scope: IdempotencyScope, request: EndpointRequest, operations: IdempotentOperations
  ): Promise<UpstreamResult> {
    const id = hash('sha256', serializeScope(scope), 'base64url')
    let earlier: IdempotencyRecord | undefined
    try {
      earlier = await this.#claim(id, request)
    } catch (error) {
      if (isAbortReason(error)) return { kind: 'failure', error }
      throw error
    }
    if (earlier !== undefined) return this.#replay(id, earlier, request, operations)
    const startedAtMs = monotonicNowMs()
    try {
      const result = await operations.send()
      await this.#settle(id, result, request, startedAtMs)
      return result
    } catch (error) {
      await this.#settleFailure(id, error, request, startedAtMs)
      throw error
    }
  }

  /**
   * The fingerprint is stored before Procore can act on the request, so that its outcome can be looked up even if this
   * replica dies.
   */
  #claim (id: string, request: EndpointRequest): Promise<IdempotencyRecord | undefined> {
    // Set before anything is awaited, because the form may end meanwhile.
    request.body.beforeEnd?.(async imageDigest => {
      const isClaimed = await claimed.then(earlier => earlier === undefined, () => false)
      if (isClaimed) await this.#store.setFingerprint(id, fingerprintRequest(request, imageDigest))
    })
    const claimed = this.#store.claim(id, currentFingerprint(request))
    return claimed
  }

  async #replay (
    id: string, earlier: IdempotencyRecord, request: EndpointRequest, { reconcile }: IdempotentOperations
  ): Promise<UpstreamResult> {
    if (earlier.state === 'running') {
      return failure('idempotency_in_progress', 'A request with this idempotency key is still running.')
    }
    const { record, body } = request
    body.drain()
    const validation = await body.validated
    if (validation.kind === 'invalid') return { kind: 'failure', error: validation.reason }
    const fingerprint = fingerprintRequest(request, validation.imageDigest)
    if (earlier.fingerprint !== '' && earlier.fingerprint !== fingerprint) {
      return failure('idempotency_key_reused', 'This idempotency key was used for a different request.')
    }
    record.replayed = true
    if (earlier.state === 'answered') {
      if (earlier.procoreRequestId !== undefined) record.procoreRequestId = earlier.procoreRequestId
      return earlier.result
    }
    const detail = 'The outcome of the first request with this idempotency key is unknown.'
    const problem = new Problem(earlier.code, detail, { outcome: 'unknown' })
    // It is not known whether the first request had these values, so that its record may be another person's.
    if (earlier.fingerprint === '') return { kind: 'failure', error: problem }
    const { sentAtMs, answeredAtMs } = earlier
    const result = await reconcile(problem, { sentAtMs, answeredAtMs })
    if (result.kind !== 'failure') await this.#settle(id, result, request, sentAtMs)
    return result
  }

  /**
   * Stores a success, or a rejection of the request itself. If Procore responded before the body was complete, there is
   * no fingerprint to bind the result to, and nothing was created, so the idempotency key is released.
   */
  async #settle (id: string, result: UpstreamResult, request: EndpointRequest, sentAtMs: number): Promise<void> {
    if (result.kind === 'failure') return this.#settleFailure(id, result.error, request, sentAtMs)
    if (result.kind === 'rejection' && !isAboutRequest(result)) return this.#store.release(id)
    const fingerprint = currentFingerprint(request)
    if (fingerprint === undefined) return this.#store.release(id)
    const { record: { procoreRequestId }, callerId = '' } = request
    const answeredAtMs = monotonicNowMs()
    const completed: CompletedRecord = {
      state: 'answered', fingerprint, result: toReplayed(result), procoreRequestId, sentAtMs, answeredAtMs,
    }
    await this.#store.settle(id, completed, callerId)
  }

  /** Stores an unknown outcome; any other failure releases the idempotency key. */
  async #settleFailure (id: string, error: unknown, request: EndpointRequest, startedAtMs: number): Promise<void> {
    const problem = error instanceof Problem ? error : undefined
    if (failureOutcome(error, request.delivery) !== 'unknown') return this.#store.release(id)
    const record: IndeterminateRecord = {
      state: 'unknown',
      fingerprint: currentFingerprint(request) ?? '',
      sentAtMs: problem?.extras.sentAtMs ?? startedAtMs,
      answeredAtMs: problem?.extras.answeredAtMs,
      code: problem?.code ?? 'internal',
    }
    await this.#store.settle(id, record, request.callerId ?? '')
  }
}

/** Returns the result that a repeat receives. */
function toReplayed (result: RelayedResult): RelayedResult {
  if (result.kind === 'rejection') return result
  const { replayBody, rowCounts: _, ...success } = result
  return replayBody === undefined ? success : { ...success, body: replayBody }
}

/** Statuses with which Procore rejects the content of a request. All others are about the account or the moment. */
export const contentStatuses: ReadonlySet<number> = new Set([400, 409, 413, 415, 422])

/** Whether a repeat would be rejected again until the request is changed. */
function isAboutRequest ({ status, hasRetryAfter, lookupFailed }: UpstreamRejection): boolean {
  return contentStatuses.has(status) && hasRetryAfter !== true && lookupFailed !== true
}

/** Returns undefined while the body is not known to be valid. */
function currentFingerprint (request: EndpointRequest): string | undefined {
  const validation = request.body.getValidation()
  return validation?.kind === 'valid' ? fingerprintRequest(request, validation.imageDigest) : undefined
}

/** Hashes values, not bytes: JSON and a form with the same values and the same avatar are the same request. */
function fingerprintRequest ({ body, path, query }: EndpointRequest, imageDigest: string): string {
  // The company is a part of the scope of the idempotency key, so a path with no other parameter adds nothing.
  const pathValues = path.values.size > 1 ? [path.values] : []
  const sorted = [body.values, query.values, ...pathValues].map(toSortedEntries)
  return hash('sha256', JSON.stringify([...sorted, imageDigest]), 'base64url')
}

/** The order of members means nothing, at any depth (RFC 8259 §4). */
function toSortedEntries (values: Iterable<[string, unknown]>): unknown[] {
  return [...values].map(([name, value]) => [name, sortMembers(value)] as const).sort(([a], [b]) => a < b ? -1 : 1)
}

function sortMembers (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers)
  return isJsonObject(value) ? toSortedEntries(Object.entries(value)) : value
}

const failure = (code: ProblemCode, detail: string): UpstreamResult =>
  ({ kind: 'failure', error: new Problem(code, detail) })

/** Returns a text that is different for each scope. */
export function serializeScope ({ caller, companyId, endpoint, idempotencyKey }: IdempotencyScope): string {
  return JSON.stringify([caller, companyId, endpoint, idempotencyKey])
}
