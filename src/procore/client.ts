/**
 * Client of Procore's API. Sends a request and returns its result as a value. If the outcome of a create is unknown, it
 * looks for the record in Procore.
 */
import { randomUUID } from 'node:crypto'
import type { Config } from '../config/index.ts'
import { createUpstreamPool, type PoolStats, type UpstreamPool, type ProxyConfig } from '../http/connection-pool.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { SharedCreate, SharedCreates } from '../storage/shared-creates.ts'
import type { SharedRateLimiter } from '../storage/shared-rate-limit.ts'
import type { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { RateLimiter } from './rate-limit/limiter.ts'
import { FileFetcher, type FileRequest, type FileResponse } from './file.ts'
import { classifyDuplicate, interpretDuplicate } from './recovery/duplicate.ts'
import { RecentCreates } from './recovery/recent-creates.ts'
import { reloadCredentials, createAccessTokenFetcher, type FetchAccessToken } from './auth/token-request.ts'
import { ConnectedCompanies } from './connected-companies.ts'
import { withExisting } from './recovery/existing-record.ts'
import {
  buildOriginSearches, buildSearches, getMatchValue, interpretLookup, lookUp,
  type CreationWindow, type LookupContext, type LookupCriteria,
} from './recovery/lookup.ts'
import type { UpstreamRejection, UpstreamResult } from './result.ts'
import { UpstreamSender, type SendResult, type UpstreamCall } from './send.ts'
import { AccessTokenProvider } from './auth/token-provider.ts'
import { monotonicNowMs } from '../util/clock.ts'

/** A request. Its time limit is that of the configuration. */
export interface ProcoreRequest extends Omit<UpstreamCall, 'timeoutMs'> {
  /** How to find the record if the outcome is unknown. */
  lookupCriteria?: LookupCriteria | undefined
}

/** The parts that replicas share through Redis: one access token, Procore's rate limit, and recent creates. */
export interface ReplicaCoordination {
  withSharedAccessToken (fetchAccessToken: FetchAccessToken): FetchAccessToken
  rateLimiter: SharedRateLimiter
  sharedCreates: SharedCreates
}

/** When a request was sent, and when Procore answered it. */
export interface RequestTimes {
  sentAtMs: number
  /** Undefined if no response came. */
  answeredAtMs: number | undefined
}

type CreateOfAddress = Pick<ProcoreRequest, 'companyId' | 'lookupCriteria'>

/** Difference between the clocks of two replicas that are synchronized. */
const maxClockSkewMs = 1_000

/**
 * Owns all connections to Procore. Opens none before the first `send`, or before `start` of `accessTokens` or
 * `connectedCompanies`.
 */
export class ProcoreClient {
  readonly accessTokens: AccessTokenProvider
  readonly connectedCompanies: ConnectedCompanies
  readonly #config: Config['procore']
  readonly #log: Logger
  readonly #apiPool: UpstreamPool
  readonly #loginPool: UpstreamPool
  readonly #sender: UpstreamSender
  readonly #files: FileFetcher
  readonly #recentCreates = new RecentCreates()
  readonly #sharedCreates: SharedCreates | undefined

  /** @param recordTokenRequest receives the duration of each request to the login host, in milliseconds */
  constructor (
    config: Config['procore'],
    proxy: ProxyConfig,
    log: Logger,
    coordination?: ReplicaCoordination,
    recordTokenRequest: (ms: number) => void = () => {}
  ) {
    this.#config = config
    this.#log = log
    this.#sharedCreates = coordination?.sharedCreates
    const { connections, connectionLifetimeMs } = config
    this.#apiPool = createUpstreamPool(config.apiUrl, { maxConnections: connections, connectionLifetimeMs }, proxy)
    this.#loginPool = createUpstreamPool(config.loginUrl, { maxConnections: 1, connectionLifetimeMs }, proxy)
    const fetchAccessToken = createAccessTokenFetcher(config, this.#loginPool.dispatcher, recordTokenRequest)
    const fetchSharedAccessToken = coordination?.withSharedAccessToken(fetchAccessToken) ?? fetchAccessToken
    this.accessTokens = new AccessTokenProvider(fetchSharedAccessToken, log)
    const { dispatcher } = this.#apiPool
    this.#sender = new UpstreamSender(config, dispatcher, this.accessTokens, log, coordination?.rateLimiter)
    const { breaker } = this.#sender
    this.connectedCompanies = new ConnectedCompanies(this.#sender, config.expectedCompanyIds, breaker.status, log)
    this.#files = new FileFetcher(config, proxy, this.accessTokens, this.#sender)
  }

  /** Whether the API host is up, according to the latest requests. */
  get apiStatus (): DependencyStatus {
    return this.#sender.breaker.status
  }

  /** The rate limiter, whose state metrics and the status page show. */
  get rateLimiter (): RateLimiter {
    return this.#sender.rateLimiter
  }

  connectionStats (): { api: PoolStats, login: PoolStats } {
    return { api: this.#apiPool.stats(), login: this.#loginPool.stats() }
  }

  /**
   * Whether both queues are full: `limits.rateLimit.queueMax` requests may wait for the rate limit, and as many for a
   * connection. Must be checked before `send`, which does not check it.
   */
  get isAtCapacity (): boolean {
    return this.#sender.isAtCapacity
  }

  /** A failure has the `outcome` of the request, after a lookup if the outcome of a create was unknown. */
  async send (call: ProcoreRequest): Promise<UpstreamResult> {
    const createId = call.idempotencyToken ?? randomUUID()
    const slot = this.#recentCreates.track(call)
    let times: RequestTimes | undefined
    let result: UpstreamResult
    try {
      const sent = await this.#sender.send(this.#shareOnSent(call, createId))
      result = sent.result
      times = mayHaveCreated(result) ? getTimes(call, sent) : undefined
    } finally {
      this.#recentCreates.settle(slot, call, times?.sentAtMs)
      if (times === undefined) this.#unshare(call, createId)
    }
    if (result.kind === 'rejection') return this.#explainRejection(call, result)
    if (times === undefined || result.kind !== 'failure' || !(result.error instanceof Problem)) return result
    return this.reconcile(call, result.error, times, createId)
  }

  /**
   * Fetches a file whose URL is in a record.
   * @throws {AbortReason} if there is no file
   */
  fetchFile (request: FileRequest): Promise<FileResponse> {
    return this.#files.fetch(request)
  }

  /**
   * Looks for the record that an earlier request may have created.
   * @param unknownProblem the failure, with the result of the lookup added, if the record is not found
   * @param times of the request, by the monotonic clock
   * @param createId id of the request among those of all replicas
   */
  async reconcile (
    call: LookupContext & Pick<ProcoreRequest, 'lookupCriteria' | 'hasImage'>,
    unknownProblem: Problem,
    times: RequestTimes,
    createId: string
  ): Promise<UpstreamResult> {
    const problem = unknownProblem.withExtras(times)
    const { lookupCriteria } = call
    if (lookupCriteria === undefined) return { kind: 'failure', error: problem }
    const { sentAtMs, answeredAtMs } = times
    const { timeoutMs, formTimeoutMs, rateLimitMaxWaitMs: maxWaitMs } = this.#config
    const responseTimeoutMs = call.hasImage?.() === true ? formTimeoutMs : timeoutMs
    const endsAtMs = answeredAtMs ?? sentAtMs + responseTimeoutMs + limits.lookup.slackMs
    const creationWindow = { sentAtMs, endsAtMs }
    let lookupResult = await lookUp(this.#sender, call, {
      criteria: lookupCriteria, searches: buildSearches(lookupCriteria), creationWindow, maxWaitMs,
    })
    const mayBeOfOther = lookupResult.kind === 'found' && !lookupResult.hasGeneratedId
    if (mayBeOfOther && await this.#hasDuplicate(call, creationWindow, createId)) {
      lookupResult = { kind: 'ambiguous' }
    }
    return interpretLookup(lookupResult, lookupCriteria, problem)
  }

  /** A create may have been rejected because its record exists: made by the same idempotency key, or by others. */
  async #explainRejection (call: ProcoreRequest, rejection: UpstreamRejection): Promise<UpstreamResult> {
    // A response to an incomplete form is about a part of it, and its values are not complete either.
    const sentAtMs = call.delivery?.sentAtMs
    if (sentAtMs === undefined) return rejection
    const result = await this.#recoverDuplicate(call, rejection, sentAtMs)
    return result.kind === 'rejection' ? withExisting(this.#sender, call, result) : result
  }

  /** Looks for the record because of which Procore rejected a create, if the same idempotency key made it. */
  async #recoverDuplicate (
    call: ProcoreRequest, rejection: UpstreamRejection, sentAtMs: number
  ): Promise<UpstreamResult> {
    const { lookupCriteria: criteria } = call
    if (criteria === undefined) return rejection
    const duplicate = classifyDuplicate(rejection, criteria)
    if (duplicate === undefined) return rejection
    const lookupResult = await lookUp(this.#sender, call, {
      criteria,
      searches: buildOriginSearches(criteria),
      creationWindow: { sentAtMs, endsAtMs: sentAtMs },
      maxWaitMs: this.#config.rateLimitMaxWaitMs,
    })
    return interpretDuplicate(lookupResult, duplicate, criteria, rejection)
  }

  /** Whether another create of the same address, at this replica or another one, may have created the record. */
  async #hasDuplicate (
    call: CreateOfAddress, { sentAtMs, endsAtMs }: CreationWindow, createId: string
  ): Promise<boolean> {
    // The other create may have had an avatar, whether this one has one or not.
    const { timeoutMs, formTimeoutMs } = this.#config
    const maxAgeMs = Math.max(timeoutMs, formTimeoutMs) + limits.lookup.slackMs
    if (this.#recentCreates.hasConcurrentDuplicate(call, sentAtMs, maxAgeMs)) return true
    const create = toSharedCreate(call, createId)
    return await this.#sharedCreates?.hasOther(create, sentAtMs - maxAgeMs, endsAtMs + maxClockSkewMs) ?? false
  }

  #shareOnSent (call: ProcoreRequest, createId: string): ProcoreRequest {
    const sharedCreates = this.#sharedCreates
    if (sharedCreates === undefined || call.lookupCriteria === undefined) return call
    return { ...call, onSent: () => sharedCreates.add(toSharedCreate(call, createId), monotonicNowMs()) }
  }

  #unshare (call: ProcoreRequest, createId: string): void {
    if (call.lookupCriteria !== undefined) this.#sharedCreates?.remove(toSharedCreate(call, createId))
  }

  /** Reads the credentials from their files again. If any is new, fetches an access token with them. */
  renewCredentials (): void {
    if (!reloadCredentials(this.#config)) return
    this.#log.info({}, 'credentials reloaded')
    this.accessTokens.start()
  }

  /** Aborts the requests in flight. */
  async close (): Promise<void> {
    this.accessTokens.stop()
    this.connectedCompanies.stop()
    this.#sender.stop()
    const { dispatcher: api } = this.#apiPool
    const { dispatcher: login } = this.#loginPool
    await Promise.all([api.destroy(), login.destroy(), this.#files.close()])
  }
}

/** The clock of a streamed form starts with its last byte. */
function getTimes (call: ProcoreRequest, { response, startedAtMs }: SendResult): RequestTimes | undefined {
  const sentAtMs = call.delivery?.sentAtMs ?? startedAtMs
  return sentAtMs === undefined ? undefined : { sentAtMs, answeredAtMs: response?.receivedAtMs }
}

function toSharedCreate ({ companyId, lookupCriteria }: CreateOfAddress, id: string): SharedCreate {
  return { id, companyId, address: lookupCriteria === undefined ? '' : getMatchValue(lookupCriteria) }
}

function mayHaveCreated (result: UpstreamResult): boolean {
  if (result.kind === 'failure') return result.error instanceof Problem && result.error.extras.outcome === 'unknown'
  return result.kind === 'success'
}
