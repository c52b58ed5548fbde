/**
 * Limits what the requests in flight use of this process, by caller and in total, so that one caller cannot take what
 * belongs to all. It counts this process only, so each replica has the same limits.
 */
import type { Config } from '../config/index.ts'
import { overloadedProblem, Problem } from '../server/problem.ts'
import type { RequestEnd, RequestEndListener } from '../telemetry/request-record.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the head of a proxied request is valid. */
    usage: RequestUsage | null
  }
}

type UsageLimits = Config['usage']['total']

/**
 * `requests`: in flight. `bodies`: being read. `uploads`: streamed forms. `files`: streamed responses. `bytes`: bodies
 * and responses in memory.
 */
type Resource = keyof UsageLimits

const descriptions: Readonly<Record<Resource, string>> = {
  requests: 'requests in progress',
  bodies: 'bodies in progress',
  uploads: 'uploads in progress',
  files: 'files in progress',
  bytes: 'bytes in memory: bodies that are incomplete, or responses that are not read',
}

const noUsage = (): Record<Resource, number> => ({ requests: 0, bodies: 0, uploads: 0, files: 0, bytes: 0 })

/** What the requests of one caller, or of all of them, use. */
class Account {
  readonly limits: UsageLimits
  readonly used = noUsage()
  readonly #createProblem: (description: string) => Problem
  /** How many responses send the same bytes, as those from the response cache do. */
  readonly #readers = new Map<Buffer, number>()

  constructor (limits: UsageLimits, createProblem: (description: string) => Problem) {
    this.limits = limits
    this.#createProblem = createProblem
  }

  /** @throws {Problem} if the amount would exceed the limit */
  assertAvailable (resource: Resource, amount: number): void {
    if (amount <= 0 || this.used[resource] + amount <= this.limits[resource]) return
    throw this.#createProblem(descriptions[resource])
  }

  /** Returns how many bytes more are in memory while this response is sent. */
  additionalBytes (body: Buffer): number {
    return this.#readers.has(body) ? 0 : body.length
  }

  addReader (body: Buffer): void {
    this.used.bytes += this.additionalBytes(body)
    this.#readers.set(body, (this.#readers.get(body) ?? 0) + 1)
  }

  removeReader (body: Buffer): void {
    const readers = (this.#readers.get(body) ?? 0) - 1
    if (readers > 0) {
      this.#readers.set(body, readers)
    } else {
      this.#readers.delete(body)
      this.used.bytes -= body.length
    }
  }
}

/**
 * Counts the use of one request, for its caller and in total. All of it is released when the request ends. If callers
 * cannot be distinguished, only the total is limited.
 */
export class RequestUsage {
  /** The account of the caller, if it is known, then that of all callers. */
  readonly #accounts: readonly Account[]
  readonly #held = noUsage()
  #response: Buffer | undefined
  /** The request itself, and the requests to Procore that may outlast it. */
  #users = 1
  readonly #onEnd: () => void

  constructor (accounts: readonly Account[], onEnd: () => void) {
    this.#accounts = accounts
    this.#onEnd = onEnd
  }

  /**
   * @param amount negative: releases it
   * @throws {Problem} `too_many_requests` at the limit of the caller, `overloaded` at the total limit
   */
  add (resource: Resource, amount: number): void {
    for (const account of this.#accounts) account.assertAvailable(resource, amount)
    for (const { used } of this.#accounts) used[resource] += amount
    this.#held[resource] += amount
  }

  /** Releases all that this request holds of the resource. */
  release (resource: Resource): void {
    if (this.#held[resource] !== 0) this.add(resource, -this.#held[resource])
  }

  /** Counts the body as being read, unless it counts as an upload. */
  startBody (): void {
    if (this.#held.uploads === 0) this.add('bodies', 1)
  }

  /** Counts the body as an upload, once, instead of as a body that is being read. */
  startUpload (): void {
    if (this.#held.uploads > 0) return
    this.add('uploads', 1)
    this.release('bodies')
  }

  /**
   * Counts a response until the request ends. Bytes that several responses share are in memory once, and count once.
   * @param mustBeSent the response is the only report of a change, so it is never refused
   * @throws {Problem} as `add` does
   */
  setResponse (body: Buffer, mustBeSent: boolean): void {
    if (!mustBeSent) {
      for (const account of this.#accounts) account.assertAvailable('bytes', account.additionalBytes(body))
    }
    for (const account of this.#accounts) account.addReader(body)
    this.#response = body
  }

  /** Whether the caller holds more than half of its share of the memory. */
  get isAboveHalfOfShare (): boolean {
    const [account] = this.#accounts
    return account !== undefined && account.used.bytes * 2 > account.limits.bytes
  }

  /** Keeps the request counted while a request to Procore goes on, also after its caller has left. */
  async keepDuring (work: Promise<unknown>): Promise<void> {
    this.#users++
    await work.catch(() => {})
    this.end()
  }

  /** Must be called once, at the end of the request. */
  end (): void {
    if (--this.#users > 0) return
    for (const resource of ['requests', 'bodies', 'uploads', 'files', 'bytes'] as const) this.release(resource)
    if (this.#response !== undefined) for (const account of this.#accounts) account.removeReader(this.#response)
    this.#onEnd()
  }
}

/** Owns the counts of all callers. Must be a listener for the ends of requests. */
export class UsageLimiter implements RequestEndListener {
  readonly #limits: Config['usage']
  readonly #total: Account
  /** Callers with a request in flight. */
  readonly #callers = new Map<string, Account>()

  constructor (limits: Config['usage']) {
    this.#limits = limits
    this.#total = new Account(limits.total, description => overloadedProblem(`There are too many ${description}.`))
  }

  /**
   * Counts a request.
   * @param callerId undefined if callers cannot be distinguished
   * @throws {Problem} `too_many_requests`
   */
  start (callerId: string | undefined): RequestUsage {
    const usage = callerId === undefined ? new RequestUsage([this.#total], () => {}) : this.#startForCaller(callerId)
    usage.add('requests', 1)
    return usage
  }

  #startForCaller (callerId: string): RequestUsage {
    const account = this.#callers.get(callerId) ?? new Account(this.#limits.perCaller, tooManyRequestsProblem)
    this.#callers.set(callerId, account)
    return new RequestUsage([account, this.#total], () => {
      if (account.used.requests === 0) this.#callers.delete(callerId)
    })
  }

  onRequestEnd ({ request }: RequestEnd): void {
    // A request that Fastify rejects before the hooks run has none.
    request.usage?.end()
  }
}

const tooManyRequestsProblem = (description: string) =>
  new Problem('too_many_requests', `This caller has too many ${description}.`, { headers: { 'retry-after': '1' } })
