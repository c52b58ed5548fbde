/**
 * Caches for a short time what is the same for every authorized caller, because Procore's rate limit is low.
 * Concurrent requests for the same list share one exchange. If Procore is down, slow or rate limited, a cached response
 * is served longer and marked as stale. Authorization is checked before every request, also for a cached response.
 */
import { limits } from '../config/limits.ts'
import { overloadedProblem, Problem, type ProblemCode } from '../server/problem.ts'
import type { CacheStatus } from '../telemetry/request-record.ts'
import { raceWithAbort, type DisconnectSignal } from '../server/disconnect-signal.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'

/** A result from Procore, and Procore's id of the exchange. */
export interface FetchResult {
  result: UpstreamResult
  procoreRequestId: string | undefined
}

/** A result as it is returned to one caller. */
export interface CachedResult extends FetchResult {
  cacheStatus: CacheStatus
  ageSeconds: number
}

type Fetcher = () => Promise<FetchResult>

interface CacheEntry {
  success: UpstreamSuccess
  procoreRequestId: string | undefined
  atMs: number
  /** Not revalidated before this time: shortly after a failed attempt, and never during one that takes long. */
  retryAtMs: number
  bytes: number
}

/** Approximate memory of an entry without its body. */
const entryBytes = 1000

/** Procore is down or overloaded, so a caller is better off with an old response. */
const transientCodes: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'procore_unreachable',
  'procore_unavailable',
  'procore_timeout',
  'procore_bad_response',
  'procore_rate_limited',
  'overloaded',
])

const isTransient = (error: unknown) => error instanceof Problem && transientCodes.has(error.code)

/**
 * An in-process cache. It holds at most `limits.responseCache.entriesMax` responses with at most
 * `limits.responseCache.maxBytes`, and evicts the least recently used one.
 */
export class ResponseCache {
  readonly ttlMs: number
  /** The least recently used entry is the first. */
  readonly #entries = new Map<string, CacheEntry>()
  readonly #fetches = new Map<string, Promise<FetchResult>>()
  #bytes = 0
  #waitingCount = 0

  /** @param ttlMs 0 disables caching */
  constructor (ttlMs: number) {
    this.ttlMs = ttlMs
  }

  /** @throws {Problem} what the fetcher throws, or `overloaded`. @throws {ClientDisconnectedError} */
  async get (cacheKey: string, signal: DisconnectSignal, fetcher: Fetcher): Promise<CachedResult> {
    const entry = this.#find(cacheKey)
    if (entry === undefined) return toMiss(await this.#joinFetch(cacheKey, signal, fetcher))
    const nowMs = Date.now()
    if (nowMs - entry.atMs < this.ttlMs) return toCachedResult(entry, 'hit')
    const fetched = nowMs < entry.retryAtMs ? undefined : await this.#revalidate(cacheKey, signal, fetcher)
    return fetched === undefined ? toCachedResult(entry, 'stale') : toMiss(fetched)
  }

  /** Returns undefined if Procore is unavailable or slow, so that the cached response is served. */
  async #revalidate (cacheKey: string, signal: DisconnectSignal, fetcher: Fetcher): Promise<FetchResult | undefined> {
    const { promise: timeout, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => {
      this.#deferRetry(cacheKey, Infinity)
      resolve(undefined)
    }, limits.responseCache.staleWhileSlowMs)
    try {
      return await Promise.race([this.#joinFetch(cacheKey, signal, fetcher), timeout])
    } catch (error) {
      if (isTransient(error)) return undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #joinFetch (cacheKey: string, signal: DisconnectSignal, fetcher: Fetcher): Promise<FetchResult> {
    if (this.#waitingCount >= limits.rateLimit.queueMax) {
      throw overloadedProblem('Too many requests are waiting for the same lists.')
    }
    this.#waitingCount++
    try {
      return await raceWithAbort(this.#fetches.get(cacheKey) ?? this.#startFetch(cacheKey, fetcher), signal)
    } finally {
      this.#waitingCount--
    }
  }

  /** The fetch continues if the caller that started it disconnects, because others may wait for it. */
  #startFetch (cacheKey: string, fetcher: Fetcher): Promise<FetchResult> {
    const fetching = this.#fetchAndStore(cacheKey, fetcher)
    // Waiting callers get the error. If all have disconnected, the rejection must not stay unhandled.
    fetching.catch(() => {})
    this.#fetches.set(cacheKey, fetching)
    return fetching
  }

  async #fetchAndStore (cacheKey: string, fetcher: Fetcher): Promise<FetchResult> {
    const atMs = Date.now()
    try {
      const fetched = await fetcher()
      this.#put(cacheKey, fetched, atMs)
      return fetched
    } catch (error) {
      this.#deferRetry(cacheKey, isTransient(error) ? Date.now() + limits.responseCache.retryMs : 0)
      throw error
    } finally {
      this.#fetches.delete(cacheKey)
    }
  }

  /** Until `untilMs` the cached response is served without a request to Procore. */
  #deferRetry (cacheKey: string, untilMs: number): void {
    const entry = this.#entries.get(cacheKey)
    if (entry !== undefined) entry.retryAtMs = untilMs
  }

  /** Moves the entry to the end, or removes it if it is too old to be served even when Procore fails. */
  #find (cacheKey: string): CacheEntry | undefined {
    const entry = this.#entries.get(cacheKey)
    if (entry === undefined) return undefined
    this.#remove(cacheKey, entry)
    if (Date.now() - entry.atMs >= this.ttlMs + limits.responseCache.staleIfErrorMs) return undefined
    this.#add(cacheKey, entry)
    return entry
  }

  /**
   * Stores a complete list. A rejection is not cached and removes the entry, because the company may have withdrawn its
   * permission. A success that is not a complete list is relayed and leaves the entry as it is.
   */
  #put (cacheKey: string, { result, procoreRequestId }: FetchResult, atMs: number): void {
    if (result.kind === 'success' && !isCompleteList(result)) return this.#deferRetry(cacheKey, 0)
    const previous = this.#entries.get(cacheKey)
    if (previous !== undefined) this.#remove(cacheKey, previous)
    if (result.kind !== 'success' || this.ttlMs === 0) return
    const bytes = entryBytes + cacheKey.length + result.body.length
    this.#add(cacheKey, { success: result, procoreRequestId, atMs, retryAtMs: 0, bytes })
    const { entriesMax, maxBytes } = limits.responseCache
    for (const [oldestKey, oldest] of this.#entries) {
      if (this.#entries.size <= entriesMax && this.#bytes <= maxBytes) return
      this.#remove(oldestKey, oldest)
    }
  }

  #add (cacheKey: string, entry: CacheEntry): void {
    this.#entries.set(cacheKey, entry)
    this.#bytes += entry.bytes
  }

  #remove (cacheKey: string, entry: CacheEntry): void {
    this.#entries.delete(cacheKey)
    this.#bytes -= entry.bytes
  }
}

/** Returns whether the response is a whole list and may be cached. `interpretExchange` has checked that it is JSON. */
export function isCompleteList ({ status, body }: UpstreamSuccess): boolean {
  return status === 200 && /^\s*\[/.test(body.toString('latin1', 0, 64))
}

const toMiss = (fetched: FetchResult): CachedResult => ({ ...fetched, cacheStatus: 'miss', ageSeconds: 0 })

function toCachedResult ({ success, procoreRequestId, atMs }: CacheEntry, cacheStatus: CacheStatus): CachedResult {
  const ageSeconds = Math.max(0, Math.floor((Date.now() - atMs) / 1000))
  return { result: success, procoreRequestId, cacheStatus, ageSeconds }
}
