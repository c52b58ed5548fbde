/**
 * Answers that are the same for every caller who may have them, kept for a moment, since Procore's allowance is small. One request at a
 * time asks for the same thing; while Procore is down, slow, or its allowance is spent, what was kept is given longer, and said to be stale.
 * Who may have an answer is judged before anybody comes here.
 */
import { limits } from '../limits.ts'
import { Problem, type ProblemCode } from '../problem.ts'
import { untilGone, type Caller } from '../procore/caller.ts'
import type { Success, Verdict } from '../procore/outcome.ts'
import { overloaded } from './uploads.ts'

/** What was fetched, and Procore's id of the exchange. */
export interface Fetched {
  verdict: Verdict
  procoreRequestId: string | undefined
}

/** How an answer was come by: asked for just now, kept and still good, or too old and given all the same. */
export type Source = NonNullable<Success['kept']>['source']

/** An answer as one caller is given it. */
export interface Given extends Fetched {
  source: Source
  ageSeconds: number
}

interface Kept {
  success: Success
  procoreRequestId: string | undefined
  atMs: number
  /** When it may be asked for again, after an attempt that failed. */
  retryAtMs: number
  bytes: number
}

/** Beside its body, roughly. */
const keptBytes = 1000

/** Procore is away or has no time: whoever had an answer before is better off with it. */
const passing: ReadonlySet<ProblemCode> = new Set<ProblemCode>(['procore_unreachable', 'procore_unavailable', 'procore_timeout', 'procore_bad_response', 'procore_rate_limited', 'overloaded'])

/** Of one process. It keeps `keptMax` answers with `keptMaxBytes` at most, and forgets the one that was asked for longest ago. */
export class KeptAnswers {
  readonly lifetimeMs: number
  /** The one that was asked for longest ago stands first. */
  readonly #kept = new Map<string, Kept>()
  readonly #fetches = new Map<string, Promise<Fetched>>()
  #bytes = 0
  #waiting = 0

  /** @param lifetimeMs 0: nothing is kept */
  constructor (lifetimeMs: number) {
    this.lifetimeMs = lifetimeMs
  }

  /** @throws {Problem} what fetching throws, `overloaded`; CallerGone */
  async ask (key: string, caller: Caller, fetch: () => Promise<Fetched>): Promise<Given> {
    const kept = this.#find(key)
    const nowMs = Date.now()
    if (kept !== undefined && nowMs - kept.atMs < this.lifetimeMs) return give(kept, 'kept')
    if (kept !== undefined && nowMs < kept.retryAtMs) return give(kept, 'stale')
    const news = this.#wait(key, caller, fetch)
    if (kept === undefined) return fresh(await news)
    const fetched = await soon(news).catch((error: unknown) => {
      if (!(error instanceof Problem) || !passing.has(error.code)) throw error
    })
    if (fetched !== undefined) return fresh(fetched)
    kept.retryAtMs = Date.now() + limits.staleRetryMs
    return give(kept, 'stale')
  }

  async #wait (key: string, caller: Caller, fetch: () => Promise<Fetched>): Promise<Fetched> {
    if (this.#waiting >= limits.waitingMax) throw overloaded('Too many requests wait for the same lists.')
    this.#waiting++
    try {
      return await untilGone(this.#fetches.get(key) ?? this.#begin(key, fetch), caller)
    } finally {
      this.#waiting--
    }
  }

  /** It goes on although whoever began it has left: others wait for it. */
  #begin (key: string, fetch: () => Promise<Fetched>): Promise<Fetched> {
    const atMs = Date.now()
    const fetching = fetch().then(fetched => {
      this.#put(key, fetched, atMs)
      return fetched
    }).finally(() => this.#fetches.delete(key))
    // Those who wait hear of its failure; when all have left, nobody does.
    fetching.catch(() => {})
    this.#fetches.set(key, fetching)
    return fetching
  }

  /** Moves it behind all others, and forgets it when it is too old even for bad times. */
  #find (key: string): Kept | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    this.#remove(key, kept)
    if (Date.now() - kept.atMs >= this.lifetimeMs + limits.staleMs) return undefined
    this.#add(key, kept)
    return kept
  }

  /** A refusal is of this moment and ends what was kept: the company may have taken its leave. */
  #put (key: string, { verdict, procoreRequestId }: Fetched, atMs: number): void {
    const old = this.#kept.get(key)
    if (old !== undefined) this.#remove(key, old)
    if (verdict.kind !== 'success' || this.lifetimeMs === 0) return
    this.#add(key, { success: verdict, procoreRequestId, atMs, retryAtMs: 0, bytes: keptBytes + key.length + verdict.body.length })
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= limits.keptMax && this.#bytes <= limits.keptMaxBytes) return
      this.#remove(oldest, kept)
    }
  }

  #add (key: string, kept: Kept): void {
    this.#kept.set(key, kept)
    this.#bytes += kept.bytes
  }

  #remove (key: string, kept: Kept): void {
    this.#kept.delete(key)
    this.#bytes -= kept.bytes
  }
}

/** Nothing, if it takes longer than whoever has an older answer should wait; it goes on, and what comes of it is kept. */
async function soon<T> (news: Promise<T>): Promise<T | undefined> {
  const { promise: tooLate, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(resolve, limits.staleWaitMs)
  return Promise.race([news, tooLate]).finally(() => {
    clearTimeout(timer)
    news.catch(() => {})
  })
}

const fresh = (fetched: Fetched): Given => ({ ...fetched, source: 'fetched', ageSeconds: 0 })

function give ({ success, procoreRequestId, atMs }: Kept, source: Source): Given {
  return { verdict: success, procoreRequestId, source, ageSeconds: Math.max(0, Math.floor((Date.now() - atMs) / 1000)) }
}
