/**
 * The face of Procore to the rest of the service: a request goes in, and a success or a refusal comes out, or a Problem is thrown.
 * Where nobody can tell what became of a create, it looks.
 */
import type { Config } from '../config.ts'
import { limits } from '../limits.ts'
import { partOf } from '../observe/trail.ts'
import { Problem } from '../problem.ts'
import type { SharedAllowance } from '../state/shared-allowance.ts'
import type { Standing } from '../standing.ts'
import type { Allowance } from './allowance.ts'
import type { ExchangeResult } from './answer.ts'
import { openConnections, type ConnectionCounts, type Connections, type Proxy } from '../connections.ts'
import { reloadCredentials, tokenRequest, type RequestToken } from './login.ts'
import { findIn, type Finding, type Wanted } from './look-up.ts'
import { judge, recordIdOf, type Expected, type Success, type Verdict } from './outcome.ts'
import { isStream } from './request.ts'
import { Sender, type ApiCall, type SenderLog } from './sender.ts'
import { Tokens } from './tokens.ts'

/** A request, and what its answer is to be judged by. Its limits of time are those of the configuration. */
export interface ProcoreCall extends Omit<ApiCall, 'waitMs' | 'timeoutMs'> {
  /** What a success has to be, if not a record in JSON. */
  expected?: Expected
  /** What to look for when the outcome is unknown; asked only then, since a stream's values are known at its end. */
  wanted?: () => Wanted
}

export type LookUpCall = Pick<ProcoreCall, 'companyId' | 'trail' | 'caller' | 'wanted'>

export interface ProcoreLog extends SenderLog {
  error (fields: object, message: string): void
}

/** What several replicas do as one. */
export interface SharedByReplicas {
  tokenRequest (request: RequestToken): RequestToken
  allowance: SharedAllowance
}

export class Procore {
  readonly tokens: Tokens
  readonly #config: Config['procore']
  readonly #log: ProcoreLog
  readonly #api: Connections
  readonly #login: Connections
  readonly #sender: Sender
  #saidNoChunked = false

  /** @param noteToken is told how long the login host took each time, in milliseconds */
  constructor (config: Config['procore'], proxy: Proxy, log: ProcoreLog, shared?: SharedByReplicas, noteToken: (ms: number) => void = () => {}) {
    this.#config = config
    this.#log = log
    this.#api = openConnections(config.apiUrl, config.connections, proxy)
    this.#login = openConnections(config.loginUrl, 1, proxy)
    const request = timed(tokenRequest(config, this.#login.dispatcher), noteToken)
    this.tokens = new Tokens(shared?.tokenRequest(request) ?? request, log)
    this.#sender = new Sender(config, this.#api.dispatcher, this.tokens, log, shared?.allowance)
  }

  /** Whether the API host answers, as far as requests have shown. */
  get api (): Standing {
    return this.#sender.breaker.standing
  }

  get allowance (): Allowance {
    return this.#sender.allowance
  }

  connections (): { api: ConnectionCounts, login: ConnectionCounts } {
    return { api: this.#api.counts(), login: this.#login.counts() }
  }

  /** Whether no more requests can wait. */
  get isFull (): boolean {
    return this.#sender.isFull
  }

  /** @throws {Problem} with the `outcome` of what was asked */
  async send (call: ProcoreCall): Promise<Verdict> {
    const { result, startedAtMs } = await this.#sender.send(call)
    this.#sayNoChunked(result, call)
    try {
      return judge(result, isStream(call.body), call.expected)
    } catch (error) {
      if (!(error instanceof Problem) || error.extras.outcome !== 'unknown') throw error
      return this.resolve(call, error, startedAtMs)
    }
  }

  /**
   * Looks for what an earlier request may have made.
   * @param unknown the problem that stands unless it is found
   * @param sentAtMs when the request was sent, by our own clock
   * @throws {Problem} `unknown`, with what was looked at
   */
  async resolve ({ companyId, trail, caller, wanted }: LookUpCall, unknown: Problem, sentAtMs: number): Promise<Success> {
    if (wanted === undefined) throw unknown.with({ sentAtMs })
    const finding = await this.#lookUp({ companyId, trail, caller }, wanted(), sentAtMs)
    if (finding.kind !== 'found') throw unknown.with({ sentAtMs }, findingDetail[finding.kind])
    return { kind: 'success', status: 201, contentType: 'application/json', body: Buffer.from(JSON.stringify(finding.record)), recordId: recordIdOf(finding.record), recovered: true }
  }

  /** Reads the credentials again from where they came from, and asks for a token with them if they are new. */
  renewCredentials (): void {
    if (!reloadCredentials(this.#config)) return
    this.#log.info({}, 'credentials read again')
    this.tokens.start()
  }

  async close (): Promise<void> {
    this.tokens.stop()
    this.#sender.allowance.stop()
    await Promise.all([this.#api.dispatcher.destroy(), this.#login.dispatcher.destroy()])
  }

  /** All lists together have one time limit. What could not be read outweighs what was not found elsewhere. */
  async #lookUp (call: Omit<LookUpCall, 'wanted'>, wanted: Wanted, sentAtMs: number): Promise<Finding> {
    const { promise: tooLate, resolve } = Promise.withResolvers<Finding>()
    const timer = setTimeout(resolve, limits.lookUpTimeoutMs, { kind: 'unread' })
    const deadlineMs = Date.now() + limits.lookUpTimeoutMs
    let finding: Finding = { kind: 'absent' }
    for (const path of wanted.lists) {
      if (deadlineMs <= Date.now()) break
      const next: Finding = call.caller.gone ? { kind: 'unread' } : await Promise.race([tooLate, this.#look(call, path, wanted, sentAtMs, deadlineMs - Date.now())])
      if (next.kind === 'found' || (next.kind !== 'absent' && finding.kind !== 'unread')) finding = next
      if (next.kind === 'found') break
    }
    clearTimeout(timer)
    return finding
  }

  async #look ({ companyId, trail, caller }: Omit<LookUpCall, 'wanted'>, path: string, wanted: Wanted, sentAtMs: number, leftMs: number): Promise<Finding> {
    const timeoutMs = Math.max(1, leftMs)
    trail.lookUps = (trail.lookUps ?? 0) + 1
    try {
      const { result } = await this.#sender.send({ method: 'GET', path, companyId, body: null, waitMs: Math.min(this.#config.waitMs, timeoutMs), timeoutMs, trail: partOf(trail), caller })
      return result.kind === 'answer' ? findIn(result, wanted, result.atMs - sentAtMs) : { kind: 'unread' }
    } catch {
      // No allowance, no token, a host that is down: it could not be looked up, which is all that the caller needs to know.
      return { kind: 'unread' }
    }
  }

  /** Whether Procore's edge takes chunked bodies is not documented; if it does not, the operator needs to hear the way out, once. */
  #sayNoChunked (answer: ExchangeResult, { body }: ProcoreCall): void {
    if (this.#saidNoChunked || answer.kind !== 'answer' || answer.status !== 411 || !isStream(body)) return
    this.#saidNoChunked = true
    this.#log.error({ remedy: 'FORM_HOLD_BYTES above AVATAR_MAX_BYTES' }, 'Procore answers 411 to streamed forms; hold forms whole instead')
  }
}

/** Tells how long each attempt took, whatever came of it. */
function timed (request: RequestToken, note: (ms: number) => void): RequestToken {
  return async replaced => {
    const startedAt = performance.now()
    try {
      return await request(replaced)
    } finally {
      note(performance.now() - startedAt)
    }
  }
}

/** What a caller is told of a look-up that did not settle the matter. */
const findingDetail = {
  absent: 'Procore was looked through, and has no such record.',
  other: 'Procore was looked through, and has a record of that name, but none that this request is sure to have made.',
  unread: 'Procore could not be looked through.',
} as const
