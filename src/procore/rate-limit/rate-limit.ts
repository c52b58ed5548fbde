/**
 * One rate limit: its state and the requests in flight. With Redis, each request first reads what all replicas know,
 * and each response is stored there. While Redis is unavailable, the memory of this replica decides.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../../config/limits.ts'
import type { SharedRateLimiter, SharedView } from '../../storage/shared-rate-limit.ts'
import type { RateLimitUpdate } from './headers.ts'
import { acquire, applyUpdate, countRequests, initialState, mergeStates, parseState, type Wait } from './state.ts'

/** Permission to send one request. Must be released once. */
export interface Permit {
  /** How long the request waited for it, in milliseconds; 0 if it was granted at once. */
  readonly waitMs: number
  /** @param update undefined if the request was not sent */
  release (update?: RateLimitUpdate): void
}

export class RateLimit {
  readonly #id: number
  readonly #shared: SharedRateLimiter | undefined
  /** What this replica knows. It includes the state in Redis as it was last read. */
  state = initialState
  /** Requests of this replica. */
  #inFlight = 0
  /** Redis as it was last read. */
  #view: SharedView | undefined
  #clockOffsetMs = 0
  /** Permits to remove from Redis with the next state. */
  readonly #ended = new Set<string>()
  #isSaved = true
  #isSaving = false

  /** @param id the company, or one id for all companies */
  constructor (id: number, shared: SharedRateLimiter | undefined) {
    this.#id = id
    this.#shared = shared
  }

  /** The time by the clock of Redis, or of this process without Redis. */
  get nowMs (): number {
    return Date.now() + this.#clockOffsetMs
  }

  /** Whether a request of this replica is in flight. */
  get isBusy (): boolean {
    return this.#inFlight > 0
  }

  /** Returns a permit, or how long to wait. */
  async tryAcquire (): Promise<Permit | Wait> {
    const permitId = this.#shared === undefined ? '' : randomUUID()
    const view = this.#shared === undefined ? undefined : await this.#read(this.#shared, permitId)
    const startedAtMs = this.nowMs
    const { state, wait } = acquire(this.state, view?.inFlight ?? this.#inFlight, startedAtMs)
    this.state = state
    if (wait !== undefined) {
      this.#shared?.removePermit(this.#id, permitId)
      return wait
    }
    this.#inFlight++
    return { waitMs: 0, release: update => this.#release(permitId, startedAtMs, update) }
  }

  #release (permitId: string, startedAtMs: number, update: RateLimitUpdate | undefined): void {
    this.#inFlight--
    if (update === undefined) {
      this.#shared?.removePermit(this.#id, permitId)
      return
    }
    this.state = applyUpdate(this.state, update, startedAtMs, this.nowMs)
    if (this.#shared === undefined) return
    // Redis removes the others when their leases end.
    if (this.#ended.size < limits.rateLimit.removedPermitsMax) this.#ended.add(permitId)
    this.#isSaved = false
    this.save()
  }

  /** Stores what this replica knows. If Redis is unavailable, that is done with a later response. */
  async save (): Promise<void> {
    if (this.#isSaving || this.#shared === undefined) return
    this.#isSaving = true
    try {
      for (let attempt = 0; !this.#isSaved && attempt < limits.rateLimit.saveAttemptsMax; attempt++) {
        const isAvailable = await this.#trySave(this.#shared)
        if (!isAvailable) break
      }
    } finally {
      this.#isSaving = false
    }
  }

  /** Stores the state unless another replica has changed it since it was read. Returns whether Redis is available. */
  async #trySave (shared: SharedRateLimiter): Promise<boolean> {
    const view = this.#view ?? await this.#read(shared)
    if (view === undefined) return false
    const ended = [...this.#ended]
    const json = JSON.stringify(this.state)
    this.#isSaved = true
    const isReplaced = await shared.replace(this.#id, view, json, ended)
    this.#view = isReplaced === true ? { ...view, json } : undefined
    if (isReplaced === true) for (const permitId of ended) this.#ended.delete(permitId)
    else this.#isSaved = false
    return isReplaced !== undefined
  }

  /** Reads what all replicas know, and adds a permit. Returns undefined while Redis is unavailable. */
  async #read (shared: SharedRateLimiter, permitId?: string): Promise<SharedView | undefined> {
    const view = await shared.read(this.#id, permitId)
    if (view === undefined) return undefined
    this.#view = view
    this.#clockOffsetMs = view.nowMs - Date.now()
    this.state = mergeStates(countRequests(parseState(view.json), view.lost), this.state, this.nowMs)
    return view
  }
}
