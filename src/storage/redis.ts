/**
 * The connection to the store that replicas share. Calls are bounded in time and number; when one fails the store counts as away, calls
 * fail at once, and a small write finds out when it is back. It knows nothing of what is stored.
 */
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { limits } from '../config/limits.ts'
import type { Secret } from '../config/secret.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'

/** The store is away, slow or full: whoever asked goes on without it. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreAway'

  constructor (cause?: unknown) {
    super('the shared store is away', { cause })
  }
}

/** What a replica holds that others wait for. */
export interface LeaseTiming {
  leaseMs: number
  leaseRenewMs: number
}

type Reply = string | number | null | Reply[]

/** Each is a file under `lua/`, with its number of keys. */
const scripts = { 'claim-key': 1, 'settle-key': 1, 'release-key': 1, 'extend-key': 1, 'acquire-rate-limit': 2, 'release-rate-limit': 2, 'extend-rate-limit': 1, lock: 1, unlock: 1 } as const
/** Names a script by its file. */
export type ScriptName = keyof typeof scripts

/** After so many looks in vain a new connection is made. */
const probesPerConnection = 5

/** Stands before every key of ours. */
export const redisKeyPrefix = 'procore-bff:'

/** A call has `limits.redis.timeoutMs`, and `limits.redis.callsMax` may run at a time; what fails throws `StoreAway` and is not made again by itself. */
export class RedisConnection {
  /** For the one library that brings commands of its own; everything else goes through `run` and `script`. */
  readonly client: Redis
  readonly #log: Logger
  /** Whether the last call or look was answered. */
  readonly status = new DependencyStatus()
  readonly #recoveryListeners = new Set<() => void>()
  /** Since the start: calls that were made, and how many of them had no answer in time or were refused. */
  readonly counts = { calls: 0, failures: 0 }
  #inFlight = 0
  #pendingRetries = 0
  #failedProbes = 0
  #outages = 0
  #outageLoggedAtMs = -Infinity
  #probeTimer: NodeJS.Timeout | undefined
  #pendingProbe: Promise<void> | undefined
  #closed = false

  constructor (url: Secret, log: Logger) {
    this.#log = log
    this.client = new Redis(url.reveal(), {
      lazyConnect: true,
      connectTimeout: limits.redis.connectTimeoutMs,
      // A call that could not be made at once is not wanted later, and one that may have been made must not be made again.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      enableAutoPipelining: true,
      // After a failover the address is another server's, or this one has become a replica.
      reconnectOnError: error => error.message.startsWith('READONLY'),
      retryStrategy: attempts => Math.min(attempts * 100, limits.redis.probeMs),
    })
    for (const [name, numberOfKeys] of Object.entries(scripts)) {
      this.client.defineCommand(name, { lua: readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8'), numberOfKeys })
    }
    this.client.on('error', error => this.#markDown(error))
    this.client.on('close', () => this.#markDown(new Error('the connection was closed')))
    this.client.on('ready', () => this.#probe())
  }

  /** Whether calls are made at all; while it is away they fail at once. */
  get isUp (): boolean {
    return this.status.isUp
  }

  /** Connects, and resolves when it is known whether the store can be used now. */
  async start (): Promise<void> {
    // ioredis' own `connectTimeout` ends with the handshake: a store that hangs, or still loads its file, answers nothing after it.
    await withTimeout(this.client.connect().then(() => this.#probe()), limits.redis.connectTimeoutMs).catch(error => this.#markDown(error))
  }

  /** Ends looking and the connection; whatever runs fails. */
  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#probeTimer)
    this.client.disconnect()
  }

  /** @throws {StoreUnavailableError} */
  async run<T> (call: (client: Redis) => Promise<T>): Promise<T> {
    if (!this.isUp || this.#inFlight >= limits.redis.callsMax) throw new StoreUnavailableError()
    this.#inFlight++
    this.counts.calls++
    try {
      return await withTimeout(call(this.client))
    } catch (error) {
      this.counts.failures++
      this.#markDown(error)
      throw new StoreUnavailableError(error)
    } finally {
      this.#inFlight--
    }
  }

  /** Runs one of the scripts beside this file, as one step of Redis'. @throws {StoreUnavailableError} */
  script (name: ScriptName, redisKeys: readonly string[], args: ReadonlyArray<string | number>): Promise<Reply> {
    return this.run(client => {
      const command: unknown = Reflect.get(client, name)
      if (typeof command !== 'function') throw new TypeError(`no script ${name}`)
      return command.call(client, ...redisKeys.map(key => `${redisKeyPrefix}${key}`), ...args)
    })
  }

  /** The listener is called whenever the store can be used again. */
  onRecovered (listener: () => void): void {
    this.#recoveryListeners.add(listener)
  }

  /** Makes a call that may come later, when the store is back: tries are counted only while it is there. */
  async runOrRetryLater (call: () => Promise<unknown>): Promise<void> {
    try {
      await call()
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      if (this.#pendingRetries < limits.redis.retryQueueMax) await this.#retryLoop(call)
    }
  }

  /** Whether the store can be used, or turns out to within the time of one call: a moment's silence is not an outage. */
  async waitForProbe (): Promise<boolean> {
    await this.#pendingProbe
    return this.isUp
  }

  /** Resolves when no call is under way, within the time of one. */
  async waitUntilIdle (): Promise<void> {
    const deadlineMs = Date.now() + limits.redis.timeoutMs
    while (this.#inFlight > 0 && Date.now() < deadlineMs) await new Promise(resolve => setTimeout(resolve, 5))
  }

  async #retryLoop (call: () => Promise<unknown>): Promise<void> {
    this.#pendingRetries++
    for (let tries = 0; tries < limits.redis.retriesMax && !this.#closed;) {
      await new Promise(resolve => { setTimeout(resolve, limits.redis.probeMs).unref() })
      if (!this.isUp) continue
      tries++
      if (await call().then(() => true, () => false)) break
    }
    this.#pendingRetries--
  }

  #markDown (error: unknown): void {
    if (this.#closed) return
    const isNewOutage = this.isUp || this.#probeTimer === undefined
    if (isNewOutage) this.#outages++
    this.#logOutage(error)
    this.status.report(false)
    clearTimeout(this.#probeTimer)
    this.#probeTimer = setTimeout(() => this.#probe(), limits.redis.probeMs).unref()
    if (isNewOutage) this.#probe()
  }

  /** A store that is slow now and then would fill the log: it is told of once in a while, with how often it was away. */
  #logOutage (error: unknown): void {
    if (this.#outages === 0 || Date.now() - this.#outageLoggedAtMs < limits.redis.warnIntervalMs) return
    this.#log.warn({ err: error, outages: this.#outages }, 'the shared store is away; this replica goes on with its own memory')
    this.#outageLoggedAtMs = Date.now()
    this.#outages = 0
  }

  /** One look at a time. */
  #probe (): Promise<void> {
    this.#pendingProbe ??= this.#runProbe().finally(() => { this.#pendingProbe = undefined })
    return this.#pendingProbe
  }

  /** A write, since a store that is full still answers. */
  async #runProbe (): Promise<void> {
    if (this.#closed || this.isUp) return
    try {
      await withTimeout(this.client.set(`${redisKeyPrefix}probe`, '1', 'PX', 10_000))
    } catch (error) {
      this.#markDown(error)
      this.#failedProbes++
      // A connection that stays silent may lead nowhere any more.
      if (this.#failedProbes % probesPerConnection === 0) this.client.disconnect(true)
      return
    }
    this.#failedProbes = 0
    clearTimeout(this.#probeTimer)
    this.status.report(true)
    for (const listener of this.#recoveryListeners) listener()
    // Whoever was told of the last outage is told of its end.
    if (this.#outages === 0) this.#log.info({}, 'the shared store is in use')
  }
}

/**
 * Bounds one call in time. An answer that has arrived while this process was busy is read before its time counts as over, which
 * ioredis' own `commandTimeout` does not see to: timers come before sockets in a turn of the event loop.
 */
function withTimeout<T> (call: Promise<T>, timeoutMs: number = limits.redis.timeoutMs): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => setImmediate(() => reject(new Error('Command timed out'))), timeoutMs)
  call.then(resolve, reject).finally(() => clearTimeout(timer))
  return promise
}
