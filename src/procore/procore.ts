/**
 * The face of Procore to the rest of the service: a request goes in, and a success or a refusal comes out, or a Problem is thrown.
 * It puts in the token and the headers that Procore asks for, and repeats a request at most once, and only after a 401.
 */
import type { Readable } from 'node:stream'
import type { Pool } from 'undici'
import { limits, type Config } from '../config.ts'
import type { Trail } from '../observe/trail.ts'
import { CallerGone } from '../problem.ts'
import { isSaneId } from '../request-id.ts'
import type { Exchange } from './answer.ts'
import { openPool } from './connection.ts'
import { exchange, type ProcoreRequest } from './exchange.ts'
import { userAgent, via } from './identity.ts'
import { tokenRequest } from './login.ts'
import { judge, type Verdict } from './outcome.ts'
import { Tokens, type TokenLog } from './tokens.ts'

export interface ProcoreCall {
  method: ProcoreRequest['method']
  /** Path and query. */
  path: string
  companyId: number
  contentType: string
  /** A Buffer goes out with Content-Length and can be repeated; a stream goes out chunked and can't. */
  body: Buffer | Readable
  /** Where durations and ids are noted for the log. */
  trail: Trail
  /** Asked before anything is sent after a wait: nobody needs the answer once the caller is gone. */
  callerGone: () => boolean
}

export interface ProcoreLog extends TokenLog {
  error (fields: object, message: string): void
}

export class Procore {
  readonly tokens: Tokens
  readonly #config: Config['procore']
  readonly #log: ProcoreLog
  readonly #api: Pool
  readonly #login: Pool
  #saidNoChunked = false

  constructor (config: Config['procore'], log: ProcoreLog) {
    this.#config = config
    this.#log = log
    this.#api = openPool(config.apiUrl, config.connections)
    this.#login = openPool(config.loginUrl, 1)
    this.tokens = new Tokens(tokenRequest(config, this.#login), log)
  }

  /** @throws {Problem} with the `outcome` of what was asked */
  async send (call: ProcoreCall): Promise<Verdict> {
    let answer = await this.#attempt(call)
    if (isUnauthorized(answer) && Buffer.isBuffer(call.body) && !call.callerGone()) {
      call.trail.standing = 'not_sent'
      answer = await this.#attempt(call)
    }
    this.#sayNoChunked(answer, call)
    return judge(answer, !Buffer.isBuffer(call.body))
  }

  async close (): Promise<void> {
    this.tokens.stop()
    await Promise.all([this.#api.destroy(), this.#login.destroy()])
  }

  /** One exchange with the current token, whose fate it tells the tokens. */
  async #attempt (call: ProcoreCall): Promise<Exchange> {
    const token = this.tokens.current() ?? await this.#waitForToken(call)
    const answer = await this.#exchange(call, token)
    if (isUnauthorized(answer)) this.tokens.reject(token)
    else if (answer.kind === 'answer') this.tokens.accept(token)
    return answer
  }

  async #waitForToken (call: ProcoreCall): Promise<string> {
    const token = await this.tokens.get()
    if (call.callerGone()) throw new CallerGone()
    return token
  }

  async #exchange (call: ProcoreCall, token: string): Promise<Exchange> {
    const startedAt = performance.now()
    const { trail, method, path, body } = call
    const result = await exchange(this.#api, { method, path, body, headers: this.#headers(call, token) }, {
      timeoutMs: this.#config.timeoutMs,
      idleTimeoutMs: this.#config.idleTimeoutMs,
      startTimeoutMs: limits.connectTimeoutMs * 2,
      answerMaxBytes: limits.answerMaxBytes,
    }, () => { trail.standing = 'unknown' })
    trail.upstreamMs = (trail.upstreamMs ?? 0) + performance.now() - startedAt
    if (result.kind === 'answer') {
      const requestId = result.headers['x-request-id']
      trail.upstreamStatus = result.status
      if (isSaneId(requestId)) trail.procoreRequestId = requestId
    }
    return result
  }

  /** Everything that Procore is told, and nothing else: no header of a caller's gets here. */
  #headers ({ companyId, contentType }: ProcoreCall, token: string): string[] {
    return [
      'authorization', `Bearer ${token}`,
      'procore-company-id', String(companyId),
      'content-type', contentType,
      'accept', 'application/json',
      'user-agent', userAgent,
      'via', via,
    ]
  }

  /** Whether Procore's edge takes chunked bodies is not documented; if it does not, the operator needs to hear the way out, once. */
  #sayNoChunked (answer: Exchange, { body }: ProcoreCall): void {
    if (this.#saidNoChunked || answer.kind !== 'answer' || answer.status !== 411 || Buffer.isBuffer(body)) return
    this.#saidNoChunked = true
    this.#log.error({ remedy: 'FORM_HOLD_BYTES above AVATAR_MAX_BYTES' }, 'Procore answers 411 to streamed forms; hold forms whole instead')
  }
}

function isUnauthorized (result: Exchange): boolean {
  return result.kind === 'answer' && result.status === 401
}
