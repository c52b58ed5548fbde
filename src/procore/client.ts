/**
 * The face of Procore to the rest of the service: a request goes in, and a success or a refusal comes out, or a Problem is thrown.
 * Where nobody can tell what became of a create, it looks. It puts the parts of this room together, and knows no endpoint.
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
import type { ExchangeResult } from './exchange.ts'
import { reloadCredentials, createAccessTokenFetcher, type FetchAccessToken } from './auth/token-request.ts'
import { lookUp, type LookupContext, type LookupCriteria } from './recovery/lookup.ts'
import { interpretExchange, interpretLookup, type ResponseExpectation, type UpstreamSuccess, type UpstreamResult } from './interpret.ts'
import { isStream } from './request.ts'
import { UpstreamSender, type UpstreamCall } from './send.ts'
import { AccessTokenProvider } from './auth/token-provider.ts'

/** A request, and what its answer is to be judged by. Its limits of time are those of the configuration. */
export interface ProcoreRequest extends Omit<UpstreamCall, 'rateLimitMaxWaitMs' | 'timeoutMs'> {
  /** What a success has to be, if not a record in JSON. */
  expectation?: ResponseExpectation
  /** What to look for when the outcome is unknown. */
  lookupCriteria?: LookupCriteria | undefined
}

/** What several replicas do as one: they share one token, and count one allowance. */
export interface ReplicaCoordination {
  withSharedAccessToken (fetchAccessToken: FetchAccessToken): FetchAccessToken
  rateLimiter: SharedRateLimiter
}

/** All connections to Procore; nothing leaves before the first `send`, or `tokens.start`. */
export class ProcoreClient {
  readonly accessTokens: AccessTokenProvider
  readonly #config: Config['procore']
  readonly #log: Logger
  readonly #apiPool: UpstreamPool
  readonly #loginPool: UpstreamPool
  readonly #sender: UpstreamSender
  readonly #recentCreates = new RecentCreates()

  /** @param recordTokenRequest is told how long the login host took each time, in milliseconds */
  constructor (config: Config['procore'], proxy: ProxyConfig, log: Logger, coordination?: ReplicaCoordination, recordTokenRequest: (ms: number) => void = () => {}) {
    this.#config = config
    this.#log = log
    this.#apiPool = createUpstreamPool(config.apiUrl, config.connections, proxy)
    this.#loginPool = createUpstreamPool(config.loginUrl, 1, proxy)
    const fetchAccessToken = createAccessTokenFetcher(config, this.#loginPool.dispatcher, recordTokenRequest)
    this.accessTokens = new AccessTokenProvider(coordination?.withSharedAccessToken(fetchAccessToken) ?? fetchAccessToken, log)
    this.#sender = new UpstreamSender(config, this.#apiPool.dispatcher, this.accessTokens, log, coordination?.rateLimiter)
  }

  /** Whether the API host answers, as far as requests have shown. */
  get apiStatus (): DependencyStatus {
    return this.#sender.breaker.status
  }

  /** What is known of Procore's allowances, to be looked at. */
  get rateLimiter (): RateLimiter {
    return this.#sender.rateLimiter
  }

  /** At this moment. */
  connectionStats (): { api: PoolStats, login: PoolStats } {
    return { api: this.#apiPool.stats(), login: this.#loginPool.stats() }
  }

  /** Whether no more requests can wait: `limits.rateLimit.queueMax` for the allowance, and as many for a connection. To be asked before `send`. */
  get isAtCapacity (): boolean {
    return this.#sender.isAtCapacity
  }

  /** @throws {Problem} with the `outcome` of what was asked; CallerGone, if the caller left while it waited */
  async send (call: ProcoreRequest): Promise<UpstreamResult> {
    const slot = this.#recentCreates.track(call)
    let sentAtMs: number | undefined
    let upstreamResult: UpstreamResult | Problem
    try {
      const { result, startedAtMs } = await this.#sender.send(call)
      upstreamResult = interpretOrProblem(result, call)
      if (mayHaveCreated(upstreamResult)) sentAtMs = Math.max(startedAtMs, call.record.sentAtMs ?? 0)
    } finally {
      this.#recentCreates.settle(slot, call, sentAtMs)
    }
    if (!(upstreamResult instanceof Problem)) return upstreamResult
    if (sentAtMs === undefined) throw upstreamResult
    return this.reconcile(call, upstreamResult, sentAtMs)
  }

  /**
   * Looks for what an earlier request may have made.
   * @param unknownProblem the problem that stands unless it is found
   * @param sentAtMs when the request was sent, by our own clock
   * @throws {Problem} `unknown`, with what was looked at
   */
  async reconcile (call: LookupContext & Pick<ProcoreRequest, 'lookupCriteria'>, unknownProblem: Problem, sentAtMs: number): Promise<UpstreamSuccess> {
    const problem = unknownProblem.withExtras({ sentAtMs })
    if (call.lookupCriteria === undefined) throw problem
    const maxAgeMs = this.#config.timeoutMs + limits.lookup.slackMs
    const lookupResult = await lookUp(this.#sender, call, call.lookupCriteria, { sentAtMs, maxAgeMs }, this.#config.rateLimitMaxWaitMs)
    const isAmbiguous = lookupResult.kind === 'found' && this.#recentCreates.hasConcurrentDuplicate(call, sentAtMs, maxAgeMs)
    return interpretLookup(isAmbiguous ? { kind: 'ambiguous' } : lookupResult, problem)
  }

  /** Reads the credentials again from where they came from, and asks for a token with them if they are new. */
  renewCredentials (): void {
    if (!reloadCredentials(this.#config)) return
    this.#log.info({}, 'credentials read again')
    this.accessTokens.start()
  }

  /** What is under way is cut off. */
  async close (): Promise<void> {
    this.accessTokens.stop()
    this.#sender.rateLimiter.stop()
    await Promise.all([this.#apiPool.dispatcher.destroy(), this.#loginPool.dispatcher.destroy()])
  }
}

function interpretOrProblem (result: ExchangeResult, { body, expectation }: ProcoreRequest): UpstreamResult | Problem {
  try {
    return interpretExchange(result, isStream(body), expectation)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

function mayHaveCreated (upstreamResult: UpstreamResult | Problem): boolean {
  return upstreamResult instanceof Problem ? upstreamResult.extras.outcome === 'unknown' : upstreamResult.kind === 'success'
}
