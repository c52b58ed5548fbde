/**
 * Answers that are the same for every caller who may have them, kept for a moment, since Procore's allowance is small. One request at a
 * time asks for the same thing; while Procore is down or slow, or its allowance is spent, what was kept is given longer, and said to be stale.
 * Who may have an answer is judged before anybody comes here.
 */
import { limits } from '../config/limits.ts'
import { overloadedProblem, Problem, type ProblemCode } from '../server/problem.ts'
import type { CacheStatus } from '../telemetry/request-record.ts'
import { raceWithAbort, type DisconnectSignal } from '../server/disconnect-signal.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'

/** What was fetched, and Procore's id of the exchange. */
export interface FetchResult {
  result: UpstreamResult
  procoreRequestId: string | undefined
}

/** How an answer was come by: asked for just now, kept and still good, or too old and given all the same. */
export type Source = CacheStatus

/** An answer as one caller is given it. */
export interface CachedResult extends FetchResult {
  cacheStatus: Source
  ageSeconds: number
}

interface CacheEntry {
  success: UpstreamSuccess
  procoreRequestId: string | undefined
  atMs: number
  /** When it may be asked for again: a moment after an attempt that failed, and not before the end of one that takes long. */
  retryAtMs: number
  bytes: number
}

/** Beside its body, roughly. */
const entryBytes = 1000

/** Procore is away or has no time: whoever had an answer before is better off with it. */
const transientCodes: ReadonlySet<ProblemCode> = new Set<ProblemCode>(['procore_unreachable', 'procore_unavailable', 'procore_timeout', 'procore_bad_response', 'procore_rate_limited', 'overloaded'])

const isTransient = (error: unknown) => error instanceof Problem && transientCodes.has(error.code)

/** Of one process. It keeps `limits.responseCache.entriesMax` answers with `limits.responseCache.maxBytes` at most, and forgets the one that was asked for longest ago. */
export class ResponseCache {
  readonly ttlMs: number
  /** The one that was asked for longest ago stands first. */
  readonly #entries = new Map<string, CacheEntry>()
  readonly #fetches = new Map<string, Promise<FetchResult>>()
  #bytes = 0
  #waiting = 0

  /** @param lifetimeMs 0: nothing is kept */
  constructor (lifetimeMs: number) {
    this.ttlMs = lifetimeMs
  }

  /** @throws {Problem} what fetching throws, `overloaded`; CallerGone */
  async get (key: string, caller: DisconnectSignal, fetch: () => Promise<FetchResult>): Promise<CachedResult> {
    const kept = this.#find(key)
    if (kept === undefined) return toMiss(await this.#joinFetch(key, caller, fetch))
    const nowMs = Date.now()
    if (nowMs - kept.atMs < this.ttlMs) return toCachedResult(kept, 'hit')
    const fetched = nowMs < kept.retryAtMs ? undefined : await this.#revalidate(key, caller, fetch)
    return fetched === undefined ? toCachedResult(kept, 'stale') : toMiss(fetched)
  }

  /** Nothing, when Procore can't be asked or takes long: whoever has an old answer is better off with it. */
  async #revalidate (key: string, caller: DisconnectSignal, fetch: () => Promise<FetchResult>): Promise<FetchResult | undefined> {
    const { promise: tooLong, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => {
      this.#deferRetry(key, Infinity)
      resolve(undefined)
    }, limits.responseCache.staleWhileSlowMs)
    try {
      return await Promise.race([this.#joinFetch(key, caller, fetch), tooLong])
    } catch (error) {
      if (isTransient(error)) return undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #joinFetch (key: string, caller: DisconnectSignal, fetch: () => Promise<FetchResult>): Promise<FetchResult> {
    if (this.#waiting >= limits.rateLimit.queueMax) throw overloadedProblem('Too many requests wait for the same lists.')
    this.#waiting++
    try {
      return await raceWithAbort(this.#fetches.get(key) ?? this.#startFetch(key, fetch), caller)
    } finally {
      this.#waiting--
    }
  }

  /** It goes on although whoever began it has left: others wait for it. */
  #startFetch (key: string, fetch: () => Promise<FetchResult>): Promise<FetchResult> {
    const fetching = this.#fetch(key, fetch)
    // Those who wait hear of its failure; when all have left, nobody does.
    fetching.catch(() => {})
    this.#fetches.set(key, fetching)
    return fetching
  }

  async #fetch (key: string, fetch: () => Promise<FetchResult>): Promise<FetchResult> {
    const atMs = Date.now()
    try {
      const fetched = await fetch()
      this.#put(key, fetched, atMs)
      return fetched
    } catch (error) {
      this.#deferRetry(key, isTransient(error) ? Date.now() + limits.responseCache.retryMs : 0)
      throw error
    } finally {
      this.#fetches.delete(key)
    }
  }

  /** Until then what is kept is given without asking. */
  #deferRetry (key: string, untilMs: number): void {
    const kept = this.#entries.get(key)
    if (kept !== undefined) kept.retryAtMs = untilMs
  }

  /** Moves it behind all others, and forgets it when it is too old even for bad times. */
  #find (key: string): CacheEntry | undefined {
    const kept = this.#entries.get(key)
    if (kept === undefined) return undefined
    this.#remove(key, kept)
    if (Date.now() - kept.atMs >= this.ttlMs + limits.responseCache.staleIfErrorMs) return undefined
    this.#add(key, kept)
    return kept
  }

  /** A refusal is of this moment and ends what was kept: the company may have taken its leave. What is no list is passed on, and changes nothing. */
  #put (key: string, { result: success, procoreRequestId }: FetchResult, atMs: number): void {
    if (success.kind === 'success' && !isCompleteList(success)) return this.#deferRetry(key, 0)
    const old = this.#entries.get(key)
    if (old !== undefined) this.#remove(key, old)
    if (success.kind !== 'success' || this.ttlMs === 0) return
    this.#add(key, { success, procoreRequestId, atMs, retryAtMs: 0, bytes: entryBytes + key.length + success.body.length })
    for (const [oldest, kept] of this.#entries) {
      if (this.#entries.size <= limits.responseCache.entriesMax && this.#bytes <= limits.responseCache.maxBytes) return
      this.#remove(oldest, kept)
    }
  }

  #add (key: string, kept: CacheEntry): void {
    this.#entries.set(key, kept)
    this.#bytes += kept.bytes
  }

  #remove (key: string, kept: CacheEntry): void {
    this.#entries.delete(key)
    this.#bytes -= kept.bytes
  }
}

/** Whether it is all of a list, and so may be kept; that it is JSON was found before. */
export function isCompleteList ({ status, body }: UpstreamSuccess): boolean {
  return status === 200 && /^\s*\[/.test(body.toString('latin1', 0, 64))
}

const toMiss = (fetched: FetchResult): CachedResult => ({ ...fetched, cacheStatus: 'miss', ageSeconds: 0 })

function toCachedResult ({ success, procoreRequestId, atMs }: CacheEntry, cacheStatus: Source): CachedResult {
  return { result: success, procoreRequestId, cacheStatus, ageSeconds: Math.max(0, Math.floor((Date.now() - atMs) / 1000)) }
}
