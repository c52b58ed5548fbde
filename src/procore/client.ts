/**
 * Client of Procore's API. Sends a request and returns its result as a value. If the outcome of a create is unknown, it
 * looks for the record in Procore.
 */
import type { Config } from '../config/index.ts'
import { createUpstreamPool, type PoolStats, type UpstreamPool, type ProxyConfig } from '../http/connection-pool.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { SharedRateLimiter } from '../storage/shared-rate-limit.ts'
import type { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { RateLimiter } from './rate-limit/limiter.ts'
import { RecentCreates } from './recovery/recent-creates.ts'
import { reloadCredentials, createAccessTokenFetcher, type FetchAccessToken } from './auth/token-request.ts'
import { lookUp, interpretLookup, type LookupContext, type LookupCriteria } from './recovery/lookup.ts'
import type { UpstreamResult } from './result.ts'
import { UpstreamSender, type UpstreamCall } from './send.ts'
import { AccessTokenProvider } from './auth/token-provider.ts'

/** A request. Its time limits are those of the configuration. */
export interface ProcoreRequest extends Omit<UpstreamCall, 'rateLimitMaxWaitMs' | 'timeoutMs'> {
  /** How to find the record if the outcome is unknown. */
  lookupCriteria?: LookupCriteria | undefined
}

/** The parts that replicas share through Redis: one access token, and one count of Procore's rate limit. */
export interface ReplicaCoordination {
  withSharedAccessToken (fetchAccessToken: FetchAccessToken): FetchAccessToken
  rateLimiter: SharedRateLimiter
}

/** Owns all connections to Procore. Opens none before the first `send` or `accessTokens.start`. */
export class ProcoreClient {
  readonly accessTokens: AccessTokenProvider
  readonly #config: Config['procore']
  readonly #log: Logger
  readonly #apiPool: UpstreamPool
  readonly #loginPool: UpstreamPool
  readonly #sender: UpstreamSender
  readonly #recentCreates = new RecentCreates()

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
    this.#apiPool = createUpstreamPool(config.apiUrl, config.connections, proxy)
    this.#loginPool = createUpstreamPool(config.loginUrl, 1, proxy)
    const fetchAccessToken = createAccessTokenFetcher(config, this.#loginPool.dispatcher, recordTokenRequest)
    const fetchSharedAccessToken = coordination?.withSharedAccessToken(fetchAccessToken) ?? fetchAccessToken
    this.accessTokens = new AccessTokenProvider(fetchSharedAccessToken, log)
    const { dispatcher } = this.#apiPool
    this.#sender = new UpstreamSender(config, dispatcher, this.accessTokens, log, coordination?.rateLimiter)
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
    const slot = this.#recentCreates.track(call)
    let sentAtMs: number | undefined
    let result: UpstreamResult
    try {
      const sent = await this.#sender.send(call)
      result = sent.result
      // The clock of a streamed form starts with its last byte.
      if (mayHaveCreated(result)) sentAtMs = call.delivery?.sentAtMs ?? sent.startedAtMs
    } finally {
      this.#recentCreates.settle(slot, call, sentAtMs)
    }
    if (sentAtMs === undefined || result.kind !== 'failure' || !(result.error instanceof Problem)) return result
    return this.reconcile(call, result.error, sentAtMs)
  }

  /**
   * Looks for the record that an earlier request may have created.
   * @param unknownProblem the failure, with the result of the lookup added, if the record is not found
   * @param sentAtMs when the request was sent, by our own clock
   */
  async reconcile (
    call: LookupContext & Pick<ProcoreRequest, 'lookupCriteria'>,
    unknownProblem: Problem,
    sentAtMs: number
  ): Promise<UpstreamResult> {
    const problem = unknownProblem.withExtras({ sentAtMs })
    if (call.lookupCriteria === undefined) return { kind: 'failure', error: problem }
    const maxAgeMs = this.#config.timeoutMs + limits.lookup.slackMs
    const creationWindow = { sentAtMs, maxAgeMs }
    const { rateLimitMaxWaitMs } = this.#config
    const lookupResult = await lookUp(this.#sender, call, call.lookupCriteria, creationWindow, rateLimitMaxWaitMs)
    const isFound = lookupResult.kind === 'found'
    const isAmbiguous = isFound && this.#recentCreates.hasConcurrentDuplicate(call, sentAtMs, maxAgeMs)
    return interpretLookup(isAmbiguous ? { kind: 'ambiguous' } : lookupResult, problem)
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
    this.#sender.stop()
    await Promise.all([this.#apiPool.dispatcher.destroy(), this.#loginPool.dispatcher.destroy()])
  }
}

function mayHaveCreated (result: UpstreamResult): boolean {
  if (result.kind === 'failure') return result.error instanceof Problem && result.error.extras.outcome === 'unknown'
  return result.kind === 'success'
}
