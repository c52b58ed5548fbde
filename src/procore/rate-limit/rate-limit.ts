/**
 * One rate limit: its state and the requests in flight. With Redis, each request first reads what all replicas know,
 * and each response is stored there. While Redis is unavailable, the memory of this replica decides.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../../config/limits.ts'
import type { SharedRateLimiter, SharedView } from '../../storage/shared-rate-limit.ts'
import type { RateLimitUpdate } from './headers.ts'
import {
  acquire, applyUpdate, capWaits, countRequests, exceedsLongestWait, initialState, mergeStates, parseState, restrict,
  type PermitPurpose, type Wait
} from './state.ts'
import { addRequests, getHourUsage, type HourUsage } from './usage.ts'
import { monotonicNowMs } from '../../util/clock.ts'

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
  /** Requests of each caller that Redis does not have yet. */
  readonly #unsavedCounts = new Map<string, number>()
  readonly #onHourMostlyUsed: (usage: HourUsage) => void
  /** End of the hour for which `onHourMostlyUsed` was called. */
  #warnedUntilMs = 0
  #isSaved = true
  #isSaving = false

  /**
   * @param id the company, or one id for all companies
   * @param onHourMostlyUsed called once an hour, when `limits.rateLimit.warnShare` of it is used
   */
  constructor (
    id: number, shared: SharedRateLimiter | undefined, onHourMostlyUsed: (usage: HourUsage) => void = () => {}
  ) {
    this.#id = id
    this.#shared = shared
    this.#onHourMostlyUsed = onHourMostlyUsed
  }

  /** Requests of the current hour; undefined if none was sent. */
  get hourUsage (): HourUsage | undefined {
    return getHourUsage(this.state.usage, this.state.windows, this.nowMs)
  }

  /** The time by the clock of Redis, or by the monotonic clock of this process without Redis. */
  get nowMs (): number {
    return monotonicNowMs() + this.#clockOffsetMs
  }

  /** Whether a request of this replica is in flight. */
  get isBusy (): boolean {
    return this.#inFlight > 0
  }

  /**
   * Returns how long requests for this purpose certainly have to wait while others may pass; undefined if that depends
   * on what the other replicas know, or on the requests in flight.
   */
  getRestriction (purpose: PermitPurpose): Wait | undefined {
    const wait = restrict(this.state, 0, this.nowMs, purpose)
    return wait?.isFirm === true ? wait : undefined
  }

  /** Returns a permit, or how long to wait. */
  async tryAcquire (purpose: PermitPurpose): Promise<Permit | Wait> {
    const permitId = this.#shared === undefined ? '' : randomUUID()
    const view = this.#shared === undefined ? undefined : await this.#read(this.#shared, permitId)
    const startedAtMs = this.nowMs
    const inFlight = view?.inFlight ?? this.#inFlight
    const restriction = restrict(this.state, inFlight, startedAtMs, purpose)
    const { state, wait } = restriction === undefined
      ? acquire(this.state, inFlight, startedAtMs)
      : { state: this.state, wait: restriction }
    this.state = state
    if (wait !== undefined) {
      this.#shared?.removePermit(this.#id, permitId)
      return wait
    }
    this.#inFlight++
    const { callerId } = purpose
    this.#countRequest(callerId, 1)
    return { waitMs: 0, release: update => this.#release(permitId, callerId, startedAtMs, update) }
  }

  #release (permitId: string, callerId: string, startedAtMs: number, update: RateLimitUpdate | undefined): void {
    this.#inFlight--
    if (update?.mayBeCounted !== true) this.#countRequest(callerId, -1)
    if (update === undefined) {
      this.#shared?.removePermit(this.#id, permitId)
      return
    }
    this.state = applyUpdate(this.state, update, startedAtMs, this.nowMs)
    this.#checkHour()
    if (this.#shared === undefined) return
    // Redis removes the others when their leases end.
    if (this.#ended.size < limits.rateLimit.removedPermitsMax) this.#ended.add(permitId)
    this.#isSaved = false
    this.save()
  }

  #checkHour (): void {
    const { hourUsage } = this
    if (hourUsage === undefined || this.nowMs < this.#warnedUntilMs) return
    if (hourUsage.used < hourUsage.limit * limits.rateLimit.warnShare) return
    this.#warnedUntilMs = this.state.usage.hour.endsAtMs
    this.#onHourMostlyUsed(hourUsage)
  }

  #countRequest (callerId: string, change: 1 | -1): void {
    const usage = addRequests(this.state.usage, callerId, change, this.nowMs)
    this.state = { ...this.state, usage }
    if (this.#shared !== undefined) this.#addUnsaved(callerId, change)
  }

  #addUnsaved (callerId: string, change: number): void {
    const count = (this.#unsavedCounts.get(callerId) ?? 0) + change
    if (count === 0) this.#unsavedCounts.delete(callerId)
    // While Redis is down, the counts of further callers stay in this replica.
    else if (this.#unsavedCounts.size < limits.rateLimit.countedCallersMax || this.#unsavedCounts.has(callerId)) {
      this.#unsavedCounts.set(callerId, count)
    }
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
    // A reply to a read that arrives before the reply to this write lacks the counts.
    const counts = [...this.#unsavedCounts]
    const json = JSON.stringify(this.state)
    this.#isSaved = true
    const isReplaced = await shared.replace(this.#id, view, json, ended)
    this.#view = isReplaced === true ? { ...view, json } : undefined
    if (isReplaced === true) {
      for (const permitId of ended) this.#ended.delete(permitId)
      for (const [callerId, count] of counts) this.#addUnsaved(callerId, -count)
    } else {
      this.#isSaved = false
    }
    return isReplaced !== undefined
  }

  /** Reads what all replicas know, and adds a permit. Returns undefined while Redis is unavailable. */
  async #read (shared: SharedRateLimiter, permitId?: string): Promise<SharedView | undefined> {
    const view = await shared.read(this.#id, permitId)
    if (view === undefined) return undefined
    this.#view = view
    this.#clockOffsetMs = view.nowMs - monotonicNowMs()
    const { nowMs } = this
    const stored = countRequests(parseState(view.json), view.lost)
    let { usage } = stored
    for (const [callerId, count] of this.#unsavedCounts) usage = addRequests(usage, callerId, count, nowMs)
    const merged = mergeStates({ ...stored, usage }, this.state, nowMs)
    this.state = merged
    if (exceedsLongestWait(merged, nowMs)) {
      // Stored, because otherwise each read would start the longest wait again.
      this.state = capWaits(merged, nowMs)
      this.#isSaved = false
      this.save()
    }
    return view
  }
}
