/**
 * The face of Procore to the rest of the service: a request goes in, and a success or a refusal comes out, or a Problem is thrown.
 * Where nobody can tell what became of a create, it looks. It puts the parts of this room together, and knows no endpoint.
 */
import type { Config } from '../config/index.ts'
import { openConnections, type ConnectionCounts, type Connections, type Proxy } from '../http/connection-pool.ts'
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import type { SharedAllowance } from '../storage/shared-rate-limit.ts'
import type { Standing } from '../telemetry/dependency-status.ts'
import type { Allowance } from './rate-limit/limiter.ts'
import { Creates } from './recovery/recent-creates.ts'
import type { ExchangeResult } from './exchange.ts'
import { reloadCredentials, tokenRequest, type RequestToken } from './auth/token-request.ts'
import { lookUp, type LookUpCall, type Wanted } from './recovery/lookup.ts'
import { judge, judgeFinding, type Expected, type Success, type Verdict } from './interpret.ts'
import { isStream } from './request.ts'
import { Sender, type ApiCall, type SenderLog } from './send.ts'
import { Tokens } from './auth/token-provider.ts'

/** A request, and what its answer is to be judged by. Its limits of time are those of the configuration. */
export interface ProcoreCall extends Omit<ApiCall, 'waitMs' | 'timeoutMs'> {
  /** What a success has to be, if not a record in JSON. */
  expected?: Expected
  /** What to look for when the outcome is unknown. */
  wanted?: Wanted | undefined
}

/** What several replicas do as one: they share one token, and count one allowance. */
export interface SharedByReplicas {
  tokenRequest (request: RequestToken): RequestToken
  allowance: SharedAllowance
}

/** All connections to Procore; nothing leaves before the first `send`, or `tokens.start`. */
export class Procore {
  readonly tokens: Tokens
  readonly #config: Config['procore']
  readonly #log: SenderLog
  readonly #api: Connections
  readonly #login: Connections
  readonly #sender: Sender
  readonly #creates = new Creates()

  /** @param noteToken is told how long the login host took each time, in milliseconds */
  constructor (config: Config['procore'], proxy: Proxy, log: SenderLog, shared?: SharedByReplicas, noteToken: (ms: number) => void = () => {}) {
    this.#config = config
    this.#log = log
    this.#api = openConnections(config.apiUrl, config.connections, proxy)
    this.#login = openConnections(config.loginUrl, 1, proxy)
    const request = tokenRequest(config, this.#login.dispatcher, noteToken)
    this.tokens = new Tokens(shared?.tokenRequest(request) ?? request, log)
    this.#sender = new Sender(config, this.#api.dispatcher, this.tokens, log, shared?.allowance)
  }

  /** Whether the API host answers, as far as requests have shown. */
  get api (): Standing {
    return this.#sender.breaker.standing
  }

  /** What is known of Procore's allowances, to be looked at. */
  get allowance (): Allowance {
    return this.#sender.allowance
  }

  /** At this moment. */
  connections (): { api: ConnectionCounts, login: ConnectionCounts } {
    return { api: this.#api.counts(), login: this.#login.counts() }
  }

  /** Whether no more requests can wait: `limits.rateLimit.queueMax` for the allowance, and as many for a connection. To be asked before `send`. */
  get isFull (): boolean {
    return this.#sender.isFull
  }

  /** @throws {Problem} with the `outcome` of what was asked; CallerGone, if the caller left while it waited */
  async send (call: ProcoreCall): Promise<Verdict> {
    const place = this.#creates.begin(call)
    let sentAtMs: number | undefined
    let verdict: Verdict | Problem
    try {
      const { result, startedAtMs } = await this.#sender.send(call)
      verdict = verdictOf(result, call)
      if (mayHaveMade(verdict)) sentAtMs = Math.max(startedAtMs, call.trail.sentAtMs ?? 0)
    } finally {
      this.#creates.end(place, call, sentAtMs)
    }
    if (!(verdict instanceof Problem)) return verdict
    if (sentAtMs === undefined) throw verdict
    return this.resolve(call, verdict, sentAtMs)
  }

  /**
   * Looks for what an earlier request may have made.
   * @param unknown the problem that stands unless it is found
   * @param sentAtMs when the request was sent, by our own clock
   * @throws {Problem} `unknown`, with what was looked at
   */
  async resolve (call: LookUpCall & Pick<ProcoreCall, 'wanted'>, unknown: Problem, sentAtMs: number): Promise<Success> {
    const stands = unknown.with({ sentAtMs })
    if (call.wanted === undefined) throw stands
    const windowMs = this.#config.timeoutMs + limits.lookup.slackMs
    const finding = await lookUp(this.#sender, call, call.wanted, { sentAtMs, windowMs }, this.#config.waitMs)
    const isDoubtful = finding.kind === 'found' && this.#creates.hasRival(call, sentAtMs, windowMs)
    return judgeFinding(isDoubtful ? { kind: 'other' } : finding, stands)
  }

  /** Reads the credentials again from where they came from, and asks for a token with them if they are new. */
  renewCredentials (): void {
    if (!reloadCredentials(this.#config)) return
    this.#log.info({}, 'credentials read again')
    this.tokens.start()
  }

  /** What is under way is cut off. */
  async close (): Promise<void> {
    this.tokens.stop()
    this.#sender.allowance.stop()
    await Promise.all([this.#api.dispatcher.destroy(), this.#login.dispatcher.destroy()])
  }
}

function verdictOf (result: ExchangeResult, { body, expected }: ProcoreCall): Verdict | Problem {
  try {
    return judge(result, isStream(body), expected)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

function mayHaveMade (verdict: Verdict | Problem): boolean {
  return verdict instanceof Problem ? verdict.extras.outcome === 'unknown' : verdict.kind === 'success'
}
