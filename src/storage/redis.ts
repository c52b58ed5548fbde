/**
 * Connects to Redis. The duration and the number of calls are limited. When a call fails, Redis counts as unavailable:
 * calls are rejected immediately, and a small write probes at intervals until it succeeds.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { limits } from '../config/limits.ts'
import type { Secret } from '../config/secret.ts'
import { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { monotonicNowMs } from '../util/clock.ts'

/** Redis is unavailable, slow or full. The caller continues without it. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'

  constructor (cause?: unknown) {
    super('Redis is unavailable', { cause })
  }
}

/** How long a lease lasts if it is not renewed, and the interval at which a live replica renews it. */
export interface LeaseTiming {
  leaseMs: number
  leaseRenewMs: number
}

/** The scripts under `lua/`. */
const scripts = [
  'claim-key', 'settle-key', 'release-key', 'extend-key', 'replace-rate-limit', 'count-request',
  'add-creates', 'lock', 'unlock', 'save-import-batch',
] as const

export type ScriptName = typeof scripts[number]

/** After this many failed probes the client reconnects. */
const probesPerConnection = 5

/** Prefix of every key that the service writes. */
export const redisKeyPrefix = 'procore-bff:'

/**
 * A call times out after `timeoutMs`, and at most `limits.redis.callsMax` are in flight. A failed call throws
 * `StoreUnavailableError` and is not retried.
 */
export class RedisConnection {
  readonly #client: Redis
  readonly #log: Logger
  /** Time limit of a call. Tests raise it, because calls are slow on a busy machine. */
  timeoutMs: number = limits.redis.timeoutMs
  /** Up if the last call or probe succeeded. */
  readonly status = new DependencyStatus()
  readonly #recoveryListeners = new Set<() => void>()
  /** Since startup: all calls, and those that failed or timed out. */
  readonly counts = { calls: 0, failures: 0 }
  #inFlight = 0
  #pendingRetries = 0
  #failedProbes = 0
  #outages = 0
  #outageLoggedAtMs = -Infinity
  #probeTimer: NodeJS.Timeout | undefined
  #pendingProbe: Promise<void> | undefined
  readonly #pingTimer: NodeJS.Timeout
  #callsAtLastPing = 0
  #isEvictionChecked = false
  /** The connection is being closed, so that a new one is opened. */
  #isReplacing = false
  #closed = false

  constructor (url: Secret, log: Logger) {
    this.#log = log
    this.#client = new Redis(url.reveal(), {
      lazyConnect: true,
      connectTimeout: limits.redis.connectTimeoutMs,
      // A command that cannot be sent now must not be sent later, and one that may have been executed must not be
      // repeated.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      enableAutoPipelining: true,
      // After a failover the address belongs to another server, or this server has become a replica.
      reconnectOnError: error => error.message.startsWith('READONLY'),
      retryStrategy: attempts => {
        return this.#isReplacing && attempts === 1 ? 0 : Math.min(attempts * 100, limits.redis.probeMs)
      },
      keepAlive: limits.redis.idlePingMs,
      // A connection that is replaced may be dead, and then its end is never confirmed.
      disconnectTimeout: 0,
    })
    for (const name of scripts) {
      const lua = readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8')
      this.#client.defineCommand(name, { lua })
    }
    this.#client.on('error', error => this.#markDown(error))
    this.#client.on('close', () => this.#markDown(new Error('The connection to Redis was closed.')))
    this.#client.on('ready', () => {
      this.#isReplacing = false
      this.#isEvictionChecked = false
      this.#probe()
    })
    this.#pingTimer = setInterval(() => this.#pingIfIdle(), limits.redis.idlePingMs).unref()
  }

  /** Whether calls are sent. Otherwise they fail immediately. */
  get isUp (): boolean {
    return this.status.isUp
  }

  /** Whether a call that fails now may succeed after `waitForProbe`: the first probe of an outage is not done yet. */
  get mayRecoverSoon (): boolean {
    return this.isUp || (this.#pendingProbe !== undefined && this.#failedProbes === 0)
  }

  /** Connects. Resolves when it is known whether Redis can be used; never rejects. */
  async start (): Promise<void> {
    // `connectTimeout` of ioredis covers the handshake only. A Redis that hangs or still loads its data does not
    // respond after it.
    const connected = this.#client.connect().then(() => this.#probe())
    await withTimeout(connected, limits.redis.connectTimeoutMs).catch((error: unknown) => this.#markDown(error))
  }

  /** Stops probing and disconnects. Calls in flight fail. */
  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#probeTimer)
    clearInterval(this.#pingTimer)
    this.#client.disconnect()
  }

  /** @throws {StoreUnavailableError} */
  async run<T> (call: (client: Redis) => Promise<T>): Promise<T> {
    if (!this.isUp || this.#inFlight >= limits.redis.callsMax) throw new StoreUnavailableError()
    this.#inFlight++
    this.counts.calls++
    try {
      return await withTimeout(call(this.#client), this.timeoutMs)
    } catch (error) {
      this.counts.failures++
      this.#markDown(error)
      throw new StoreUnavailableError(error)
    } finally {
      this.#inFlight--
    }
  }

  /** Runs one of the Lua scripts, which Redis executes atomically. @throws {StoreUnavailableError} */
  script (name: ScriptName, redisKeys: readonly string[], args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.run(async client => {
      const command: unknown = Reflect.get(client, name)
      if (typeof command !== 'function') throw new TypeError(`The script ${name} is not defined.`)
      const prefixedKeys = redisKeys.map(redisKey => redisKeyPrefix + redisKey)
      const reply: unknown = await command.call(client, prefixedKeys.length, ...prefixedKeys, ...args)
      return reply
    })
  }

  /** Adds a listener that is called whenever Redis can be used again. */
  onRecovered (listener: () => void): void {
    this.#recoveryListeners.add(listener)
  }

  /**
   * Makes a call, and retries it later if Redis is unavailable. Only attempts while Redis is available count towards
   * `limits.redis.retriesMax`.
   */
  async runOrRetryLater (call: () => Promise<unknown>): Promise<void> {
    try {
      await call()
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      if (this.#pendingRetries < limits.redis.retryQueueMax) await this.#retryLoop(call)
    }
  }

  /**
   * Waits for the probe that may be in flight, and returns whether Redis can be used. A short stall is not an outage.
   */
  async waitForProbe (): Promise<boolean> {
    await this.#pendingProbe
    return this.isUp
  }

  /** Resolves when no call is in flight, at the latest after the timeout of a call. */
  async waitUntilIdle (): Promise<void> {
    const deadlineMs = monotonicNowMs() + this.timeoutMs
    while (this.#inFlight > 0 && monotonicNowMs() < deadlineMs) await new Promise(resolve => setTimeout(resolve, 5))
  }

  async #retryLoop (call: () => Promise<unknown>): Promise<void> {
    this.#pendingRetries++
    let attempts = 0
    while (attempts < limits.redis.retriesMax && !this.#closed) {
      await new Promise(resolve => { setTimeout(resolve, limits.redis.probeMs).unref() })
      if (!this.isUp) continue
      attempts++
      if (await call().then(() => true, () => false)) break
    }
    this.#pendingRetries--
  }

  #markDown (error: unknown): void {
    if (this.#closed) return
    const wasUp = this.isUp
    const isNewOutage = wasUp || this.#probeTimer === undefined
    if (isNewOutage) this.#outages++
    this.#logOutage(error)
    this.status.report(false)
    clearTimeout(this.#probeTimer)
    this.#probeTimer = setTimeout(() => this.#probe(), limits.redis.probeMs).unref()
    // A NAT drops the packets of a connection that it has forgotten, and neither side gets an error.
    if (wasUp && error instanceof CallTimeoutError) this.#replaceConnection()
    if (isNewOutage) this.#probe()
  }

  #replaceConnection (): void {
    this.#isReplacing = true
    this.#client.disconnect(true)
  }

  /** Calls that are rarer than a NAT remembers a connection would each meet a dead one. */
  #pingIfIdle (): void {
    if (this.isUp && this.counts.calls === this.#callsAtLastPing) this.run(client => client.ping()).catch(() => {})
    this.#callsAtLastPing = this.counts.calls
  }

  /**
   * Logs outages at most once per `limits.redis.warnIntervalMs`, with their number, so that a flapping Redis cannot
   * fill the log.
   */
  #logOutage (error: unknown): void {
    if (this.#outages === 0 || monotonicNowMs() - this.#outageLoggedAtMs < limits.redis.warnIntervalMs) return
    this.#log.warn({ err: error, outages: this.#outages }, 'Redis is unavailable; this replica uses its own memory')
    this.#outageLoggedAtMs = monotonicNowMs()
    this.#outages = 0
  }

  /** Starts a probe unless one is in flight. */
  #probe (): Promise<void> {
    this.#pendingProbe ??= this.#runProbe().finally(() => { this.#pendingProbe = undefined })
    return this.#pendingProbe
  }

  /** Probes by a write, since a Redis that is full still responds to reads. */
  async #runProbe (): Promise<void> {
    if (this.#closed || this.isUp) return
    try {
      await this.#waitUntilConnected()
      await withTimeout(this.#client.set(`${redisKeyPrefix}probe`, '1', 'PX', 10_000), this.timeoutMs)
      await this.#checkEviction()
    } catch (error) {
      this.#markDown(error)
      this.#failedProbes++
      // A connection without responses may be dead, for example after a failover.
      if (this.#failedProbes % probesPerConnection === 0) this.#replaceConnection()
      return
    }
    this.#failedProbes = 0
    clearTimeout(this.#probeTimer)
    this.status.report(true)
    for (const listener of this.#recoveryListeners) listener()
    // Logged only if the last outage was logged, too.
    if (this.#outages === 0) this.#log.info({}, 'Redis is available')
  }

  /** Waits for a connection that is being opened, so that a call that lost its connection can be repeated. */
  async #waitUntilConnected (): Promise<void> {
    if (this.#client.status === 'ready' && !this.#isReplacing) return
    await withTimeout(once(this.#client, 'ready'), limits.redis.reconnectTimeoutMs)
  }

  /**
   * Checks once for each connection whether Redis may evict keys when its memory is full. An evicted idempotency key is
   * free, so that a repeat creates again. INFO, because managed services block CONFIG.
   */
  async #checkEviction (): Promise<void> {
    if (this.#isEvictionChecked) return
    this.#isEvictionChecked = true
    const memory = await withTimeout(this.#client.info('memory'), this.timeoutMs).catch(() => '')
    const policy = /^maxmemory_policy:([\w-]+)/m.exec(memory)?.[1]
    this.status.warning = policy === 'noeviction' ? undefined : evictionWarning(policy)
    if (this.status.warning !== undefined) this.#log.error({ policy }, this.status.warning)
  }
}

function evictionWarning (policy: string | undefined): string {
  return policy === undefined
    ? 'The maxmemory-policy of Redis is unknown; it must be noeviction, or a create can be made twice'
    : `The maxmemory-policy of Redis is ${policy}, so a create can be made twice; set it to noeviction`
}

/** Redis did not reply in time. */
class CallTimeoutError extends Error {
  override readonly name = 'CallTimeoutError'
}

/**
 * Limits the duration of a call. A reply that arrived while this process was busy is still read: the timeout takes
 * effect one `setImmediate` later, since the event loop runs timers before it reads sockets. `commandTimeout` of
 * ioredis does not do this.
 */
function withTimeout<T> (call: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => setImmediate(() => reject(new CallTimeoutError('Command timed out'))), timeoutMs)
  call.then(resolve, reject).finally(() => clearTimeout(timer))
  return promise
}
