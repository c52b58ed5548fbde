/**
 * Caches for a short time what is the same for every authorized caller, because Procore's rate limit is low.
 * Concurrent requests for the same list share one request to Procore. If Procore is down, slow or rate limited, a
 * cached response is served longer and marked as stale. Authorization is checked before every request, also for a
 * cached response.
 */
import { LRUCache } from 'lru-cache'
import { limits } from '../config/limits.ts'
import { overloadedProblem, Problem, type ProblemCode } from '../server/problem.ts'
import { isAbortReason, raceWithAbort } from '../server/abort.ts'
import { addUpstreamRecord, childRecord, type CacheStatus, type UpstreamRecord } from '../telemetry/request-record.ts'
import type { ProcoreClient, ProcoreRequest } from '../procore/client.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/result.ts'
import type { RequestBuilder, Send } from './context.ts'
import type { RequestUsage } from './usage.ts'
import { monotonicNowMs } from '../util/clock.ts'

/** A request to Procore that several callers may wait for. */
export interface Fetch {
  /** Complete once `result` resolves. */
  record: UpstreamRecord
  result: Promise<UpstreamResult>
}

/** A result as it is returned to one caller. */
export interface CachedResult {
  result: UpstreamResult
  cacheStatus: CacheStatus
  ageSeconds: number
  /** Procore's id of the request whose response this is. */
  procoreRequestId: string | undefined
  /** The record of the request to Procore, if this caller started it. */
  record: UpstreamRecord | undefined
}

interface CacheEntry {
  success: UpstreamSuccess
  procoreRequestId: string | undefined
  atMs: number
  /** Not revalidated before this time: shortly after a failed attempt, and never during one that takes long. */
  retryAtMs: number
}

/** Returns the function that sends the requests of a list through the cache. @param operation name of its endpoint */
export function withCache (
  operation: string,
  toProcoreRequest: RequestBuilder,
  procore: ProcoreClient,
  cache: ResponseCache
): Send {
  /** The request goes on if its caller leaves, because others wait for it. It counts for that caller until it ends. */
  const start = (call: ProcoreRequest, usage: RequestUsage): Fetch => {
    // Its spans are its own, because it may end after the request that starts it.
    const record = { ...childRecord(call.record), operation, ...(call.record.spans !== undefined && { spans: [] }) }
    const { signal } = new AbortController()
    if (!procore.isAtCapacity) {
      const result = procore.send({ ...call, record, signal })
      usage.keepDuring(result)
      return { record, result }
    }
    const error = overloadedProblem('Too many requests are waiting for Procore.')
    return { record, result: Promise.resolve({ kind: 'failure', error }) }
  }
  return async request => {
    const { record, signal, usage } = request
    const call = toProcoreRequest(request)
    const cached = await cache.get(getCacheKey(call), signal, () => start(call, usage))
    const { result, cacheStatus, ageSeconds, procoreRequestId } = cached
    if (cached.record !== undefined) addUpstreamRecord(record, cached.record)
    if (procoreRequestId !== undefined) record.procoreRequestId = procoreRequestId
    if (result.kind !== 'success') return result
    record.cache = cacheStatus
    if (!isCompleteList(result)) return result
    return { ...result, cacheInfo: { lifetimeSeconds: cache.ttlMs / 1000, ageSeconds, cacheStatus } }
  }
}

/** Keeps work in flight for which no caller waits any longer, and reports its record at its end. */
type TrackBackground = (record: UpstreamRecord, work: Promise<unknown>) => void

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

function isCallerLimit (result: UpstreamResult): boolean {
  return result.kind === 'failure' && result.error instanceof Problem && result.error.code === 'too_many_requests'
}

function isTransient (result: UpstreamResult): boolean {
  return result.kind === 'failure' && result.error instanceof Problem && transientCodes.has(result.error.code)
}

/**
 * An in-process cache. It holds at most `limits.responseCache.entriesMax` responses with at most
 * `limits.responseCache.maxBytes`, and evicts the least recently used one.
 */
export class ResponseCache {
  readonly ttlMs: number
  readonly #entries = new LRUCache<string, CacheEntry>({
    max: limits.responseCache.entriesMax,
    maxSize: limits.responseCache.maxBytes,
    sizeCalculation: ({ success }, cacheKey) => entryBytes + cacheKey.length + success.body.length,
  })

  readonly #fetches = new Map<string, Fetch>()
  readonly #trackBackground: TrackBackground
  #waitingCount = 0

  /**
   * @param ttlMs 0 disables caching
   * @param trackBackground receives the requests to Procore whose caller stopped waiting
   */
  constructor (ttlMs: number, trackBackground: TrackBackground) {
    this.ttlMs = ttlMs
    this.#trackBackground = trackBackground
  }

  /**
   * Returns the cached response, or that of the request to Procore that `start` starts.
   * @param signal ends the wait; its reason is the failure. The request to Procore goes on in the background
   */
  async get (cacheKey: string, signal: AbortSignal, start: () => Fetch): Promise<CachedResult> {
    const entry = this.#find(cacheKey)
    if (entry === undefined) return this.#fetch(cacheKey, signal, start)
    const nowMs = monotonicNowMs()
    if (nowMs - entry.atMs < this.ttlMs) return toCachedResult(entry, 'hit')
    if (nowMs < entry.retryAtMs) return toCachedResult(entry, 'stale')
    const slow = new AbortController()
    const timer = setTimeout(() => {
      this.#deferRetry(cacheKey, Infinity)
      slow.abort(new Problem('procore_timeout', 'Procore did not respond soon enough.'))
    }, limits.responseCache.staleWhileSlowMs)
    try {
      const fetched = await this.#fetch(cacheKey, AbortSignal.any([signal, slow.signal]), start)
      return isTransient(fetched.result) ? toCachedResult(entry, 'stale') : fetched
    } finally {
      clearTimeout(timer)
    }
  }

  async #fetch (cacheKey: string, signal: AbortSignal, start: () => Fetch): Promise<CachedResult> {
    if (this.#waitingCount >= limits.rateLimit.queueMax) {
      return toMiss({ kind: 'failure', error: overloadedProblem('Too many requests are waiting for the same lists.') })
    }
    const running = this.#fetches.get(cacheKey)
    const fetch = running ?? this.#start(cacheKey, start())
    this.#waitingCount++
    try {
      const result = await raceWithAbort(fetch.result, signal)
      // The caller that started the request has too many bytes in memory. That is no reason to refuse this one.
      if (running !== undefined && isCallerLimit(result)) return await this.#fetch(cacheKey, signal, start)
      return toMiss(result, fetch.record.procoreRequestId, running === undefined ? fetch.record : undefined)
    } catch (error) {
      if (!isAbortReason(error)) throw error
      if (running === undefined) this.#trackBackground(fetch.record, fetch.result)
      return toMiss({ kind: 'failure', error })
    } finally {
      this.#waitingCount--
    }
  }

  #start (cacheKey: string, { record, result }: Fetch): Fetch {
    const startedAtMs = monotonicNowMs()
    const stored = result.then(settled => {
      this.#store(cacheKey, settled, record.procoreRequestId, startedAtMs)
      return settled
    }, (error: unknown) => {
      this.#deferRetry(cacheKey, 0)
      throw error
    }).finally(() => this.#fetches.delete(cacheKey))
    // Waiting callers get the error. If all have left, the rejection must not stay unhandled.
    stored.catch(() => {})
    const fetch = { record, result: stored }
    this.#fetches.set(cacheKey, fetch)
    return fetch
  }

  /**
   * Stores a complete list. A rejection is not cached and removes the entry, because the company may have withdrawn its
   * permission. A failure, and a success that is not a complete list, leave the entry as it is.
   */
  #store (cacheKey: string, result: UpstreamResult, procoreRequestId: string | undefined, atMs: number): void {
    if (result.kind === 'rejection') {
      this.#entries.delete(cacheKey)
    } else if (result.kind === 'failure') {
      this.#deferRetry(cacheKey, isTransient(result) ? monotonicNowMs() + limits.responseCache.retryMs : 0)
    } else if (!isCompleteList(result)) {
      this.#deferRetry(cacheKey, 0)
    } else if (this.ttlMs > 0) {
      this.#entries.set(cacheKey, { success: result, procoreRequestId, atMs, retryAtMs: 0 })
    }
  }

  /** Until `untilMs` the cached response is served without a request to Procore. */
  #deferRetry (cacheKey: string, untilMs: number): void {
    const entry = this.#entries.peek(cacheKey)
    if (entry !== undefined) entry.retryAtMs = untilMs
  }

  /** Removes an entry that is too old to be served even when Procore fails. */
  #find (cacheKey: string): CacheEntry | undefined {
    const entry = this.#entries.get(cacheKey)
    const longestAgeMs = this.ttlMs + limits.responseCache.staleIfErrorMs
    if (entry === undefined || monotonicNowMs() - entry.atMs < longestAgeMs) return entry
    this.#entries.delete(cacheKey)
    return undefined
  }
}

/** Returns whether the response is a whole list and may be cached. `classify` has checked that it is JSON. */
function isCompleteList ({ status, body }: UpstreamSuccess): boolean {
  return status === 200 && /^\s*\[/.test(body.toString('latin1', 0, 64))
}

function toMiss (result: UpstreamResult, procoreRequestId?: string, record?: UpstreamRecord): CachedResult {
  return { result, cacheStatus: 'miss', ageSeconds: 0, procoreRequestId, record }
}

function toCachedResult ({ success, procoreRequestId, atMs }: CacheEntry, cacheStatus: CacheStatus): CachedResult {
  const ageSeconds = Math.max(0, Math.floor((monotonicNowMs() - atMs) / 1000))
  return { result: success, cacheStatus, ageSeconds, procoreRequestId, record: undefined }
}

/** Returns the same cache key for equal queries, whatever the order of their parameters. */
function getCacheKey ({ companyId, path: pathWithQuery }: ProcoreRequest): string {
  const [path = '', query = ''] = pathWithQuery.split('?')
  return `${companyId} ${path} ${query.split('&').sort().join('&')}`
}
