/**
 * Requests with an Idempotency-Key: the first one under a key is sent, all others get what became of it. What a key is
 * remembered for is decided here, by the outcome; where it is remembered is the store's business.
 */
import { createHmac, hash, hkdfSync } from 'node:crypto'
import { Problem } from '../../server/problem.ts'
import type { UpstreamResult } from '../../procore/interpret.ts'
import type { Secret } from '../../config/secret.ts'
import type { IdempotencyRecord, IdempotencyStore } from '../../storage/idempotency-store.ts'
import type { RequestRecord } from '../../telemetry/request-record.ts'

/** Whose key it is, and of which operation: equal keys of different scopes never meet. */
export interface IdempotencyScope {
  caller: string
  companyId: number
  endpoint: string
  idempotencyKey: string
}

/** What the keyed request can do; nothing of it is done unless it is needed. */
export interface IdempotentRequest {
  record: RequestRecord
  /** Sends it. */
  send (): Promise<UpstreamResult>
  /** Stops sending what comes of the body; it is read on, since only its end tells the fingerprint. */
  drain (): void
  /** Resolves once the whole request is known to be valid. */
  fingerprint: Promise<string>
  /** Looks for what an earlier request with the same values may have made. */
  resolve (unknown: Problem, sentAtMs: number): Promise<UpstreamResult>
}

/** The keys of all callers (draft-ietf-httpapi-idempotency-key-header), each remembered for `keyLifetimeMs`. */
export class Idempotency {
  readonly #store: IdempotencyStore
  readonly #upstreamTokenHmacKey: Buffer

  constructor (store: IdempotencyStore, secret: Secret) {
    this.#store = store
    this.#upstreamTokenHmacKey = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'idempotency-token', 32))
  }

  /** What Procore gets to see as the key: to it all our callers are one account, and none may guess another's. */
  upstreamToken (scope: IdempotencyScope): string {
    return createHmac('sha256', this.#upstreamTokenHmacKey).update(idempotencyKeyName(scope)).digest('base64url')
  }

  /** @throws {Problem} `idempotency_in_progress`, `idempotency_key_reused`, or what became of the first request */
  async execute (scope: IdempotencyScope, request: IdempotentRequest): Promise<UpstreamResult> {
    const id = hash('sha256', idempotencyKeyName(scope), 'base64url')
    const earlier = await this.#store.claim(id)
    if (earlier !== undefined) return this.#replay(id, earlier, request)
    const startedAtMs = Date.now()
    try {
      const verdict = await request.send()
      await this.#settle(id, verdict, request)
      return verdict
    } catch (error) {
      await this.#recordFailure(id, error, startedAtMs, request)
      throw error
    }
  }

  async #replay (id: string, earlier: IdempotencyRecord, request: IdempotentRequest): Promise<UpstreamResult> {
    if (earlier.state === 'running') throw new Problem('idempotency_in_progress', 'A request with this key is still running.')
    request.drain()
    const fingerprint = await request.fingerprint
    // A form that was answered before its end has none; whatever comes under its key is looked up, not sent.
    if (earlier.fingerprint !== '' && earlier.fingerprint !== fingerprint) throw new Problem('idempotency_key_reused', 'This key was used for a different request.')
    const { record } = request
    record.replayed = true
    if (earlier.state === 'answered') {
      if (earlier.procoreRequestId !== undefined) record.procoreRequestId = earlier.procoreRequestId
      return earlier.result
    }
    const verdict = await request.resolve(new Problem(earlier.code, 'Nobody can tell what became of the first request with this key.', { outcome: 'unknown' }), earlier.sentAtMs)
    await this.#settle(id, verdict, request)
    return verdict
  }

  /** An answer that came before the body was complete has no fingerprint to be bound to; it created nothing, so the key is free. */
  async #settle (id: string, result: UpstreamResult, { fingerprint, record }: IdempotentRequest): Promise<void> {
    const complete = await Promise.race([fingerprint, undefined])
    const isKept = result.kind === 'success' || !transientStatuses.has(result.status)
    if (complete === undefined || !isKept) return this.#store.release(id)
    await this.#store.settle(id, { state: 'answered', fingerprint: complete, result, procoreRequestId: record.procoreRequestId })
  }

  async #recordFailure (id: string, error: unknown, startedAtMs: number, { fingerprint, record }: IdempotentRequest): Promise<void> {
    const outcome = error instanceof Problem ? error.extras.outcome ?? record.provisionalOutcome : record.provisionalOutcome
    if (outcome !== 'unknown') return this.#store.release(id)
    const code = error instanceof Problem ? error.code : 'internal'
    const sentAtMs = error instanceof Problem ? error.extras.sentAtMs ?? startedAtMs : startedAtMs
    await this.#store.settle(id, { state: 'unknown', fingerprint: await Promise.race([fingerprint, '']), sentAtMs, code })
  }
}

/** Refusals of the moment, which say nothing of the request. */
const transientStatuses = new Set([401, 408, 429])

function idempotencyKeyName ({ caller, companyId, endpoint, idempotencyKey }: IdempotencyScope): string {
  return JSON.stringify([caller, companyId, endpoint, idempotencyKey])
}
