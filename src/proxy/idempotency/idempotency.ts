/**
 * Executes requests with an idempotency key: the first request with a key is sent, and repeated ones get its result.
 * The outcome decides here what is stored for a key; the store only stores it.
 */
import { createHmac, hash, hkdfSync } from 'node:crypto'
import { Problem } from '../../server/problem.ts'
import type { UpstreamResult } from '../../procore/interpret.ts'
import type { Secret } from '../../config/secret.ts'
import type { IdempotencyRecord, IdempotencyStore } from '../../storage/idempotency-store.ts'
import type { RequestRecord } from '../../telemetry/request-record.ts'

/** The owner and the operation of an idempotency key: equal keys of different scopes are independent. */
export interface IdempotencyScope {
  caller: string
  companyId: number
  endpoint: string
  idempotencyKey: string
}

/** The operations of a request with an idempotency key; each is called only if it is needed. */
export interface IdempotentRequest {
  record: RequestRecord
  send (): Promise<UpstreamResult>
  /** Stops sending the body, which is still read: the fingerprint covers all of it. */
  drain (): void
  /** Resolves once the whole request is valid. */
  fingerprint: Promise<string>
  /** Looks up the record that an earlier request with the same values may have created. */
  resolve (unknownProblem: Problem, sentAtMs: number): Promise<UpstreamResult>
}

/** The idempotency layer (draft-ietf-httpapi-idempotency-key-header). The store limits the lifetime of a key. */
export class Idempotency {
  readonly #store: IdempotencyStore
  readonly #upstreamTokenHmacKey: Buffer

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

  /** @throws {Problem} `idempotency_in_progress`, `idempotency_key_reused`, or the problem of the first request */
  async execute (scope: IdempotencyScope, request: IdempotentRequest): Promise<UpstreamResult> {
    const id = hash('sha256', serializeScope(scope), 'base64url')
    const earlier = await this.#store.claim(id)
    if (earlier !== undefined) return this.#replay(id, earlier, request)
    const startedAtMs = Date.now()
    try {
      const result = await request.send()
      await this.#settle(id, result, request)
      return result
    } catch (error) {
      await this.#recordFailure(id, error, startedAtMs, request)
      throw error
    }
  }

  async #replay (id: string, earlier: IdempotencyRecord, request: IdempotentRequest): Promise<UpstreamResult> {
    if (earlier.state === 'running') {
      throw new Problem('idempotency_in_progress', 'A request with this idempotency key is still running.')
    }
    request.drain()
    const fingerprint = await request.fingerprint
    // A form that failed before its end has no fingerprint. Any request with its key is looked up, never sent.
    if (earlier.fingerprint !== '' && earlier.fingerprint !== fingerprint) {
      throw new Problem('idempotency_key_reused', 'This idempotency key was used for a different request.')
    }
    const { record } = request
    record.replayed = true
    if (earlier.state === 'answered') {
      if (earlier.procoreRequestId !== undefined) record.procoreRequestId = earlier.procoreRequestId
      return earlier.result
    }
    const detail = 'The outcome of the first request with this idempotency key is unknown.'
    const result = await request.resolve(new Problem(earlier.code, detail, { outcome: 'unknown' }), earlier.sentAtMs)
    await this.#settle(id, result, request)
    return result
  }

  /**
   * Stores a result that is final. If Procore responded before the body was complete, there is no fingerprint to bind
   * the result to, and nothing was created, so the idempotency key is released.
   */
  async #settle (id: string, result: UpstreamResult, { fingerprint, record }: IdempotentRequest): Promise<void> {
    const settledFingerprint = await Promise.race([fingerprint, undefined])
    const isFinal = result.kind === 'success' || !transientStatuses.has(result.status)
    if (settledFingerprint === undefined || !isFinal) return this.#store.release(id)
    const { procoreRequestId } = record
    await this.#store.settle(id, {
      state: 'answered', fingerprint: settledFingerprint, result, procoreRequestId,
    })
  }

  /** Stores an unknown outcome; any other failure releases the idempotency key. */
  async #recordFailure (
    id: string, error: unknown, startedAtMs: number, { fingerprint, record }: IdempotentRequest
  ): Promise<void> {
    const problem = error instanceof Problem ? error : undefined
    const outcome = problem?.extras.outcome ?? record.provisionalOutcome
    if (outcome !== 'unknown') return this.#store.release(id)
    await this.#store.settle(id, {
      state: 'unknown',
      fingerprint: await Promise.race([fingerprint, '']),
      sentAtMs: problem?.extras.sentAtMs ?? startedAtMs,
      code: problem?.code ?? 'internal',
    })
  }
}

/** Rejections that depend on the moment, not on the request. */
const transientStatuses = new Set([401, 408, 429])

function serializeScope ({ caller, companyId, endpoint, idempotencyKey }: IdempotencyScope): string {
  return JSON.stringify([caller, companyId, endpoint, idempotencyKey])
}
