/**
 * One rate limit: its state and the requests in flight. With Redis, all replicas share the state. While plenty remains,
 * a replica holds permits in advance and needs no call to Redis. Otherwise each request asks Redis, and each response
 * is stored there. While Redis is unavailable, the memory of this replica decides.
 */
import { randomBytes } from 'node:crypto'
import { limits } from '../../config/limits.ts'
import type { SharedRateLimiter } from '../../storage/shared-rate-limit.ts'
import type { RateLimitUpdate } from './headers.ts'
import {
  applyUpdate, capWaits, countExpiredLeases, countInAdvanceOfOthers, countLeasable, countPermitsOfOthers, countRequests,
  decide, exceedsLongestWait, initialState, mergeStates, parseState, replaceLease, restrict,
  type PermitPurpose, type RateLimitState, type Wait
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

/** A request that needs the next exchange with Redis. */
interface Ask {
  purpose: PermitPurpose
  resolve: (reply: Permit | Wait) => void
}

/** What an exchange with Redis stores. */
interface Plan {
  state: RateLimitState
  nowMs: number
  /** How long each request has to wait, in the order of the requests; undefined if it passes. */
  waits: Array<Wait | undefined>
  inAdvance: number
  /** The leases of other replicas that hold more permits in advance than they may; empty if there are none. */
  recalled: string
  /** Counts that are in the state and not in Redis yet. */
  counts: ReadonlyArray<readonly [callerId: string, count: number]>
  /** Requests without a report that are in the state and not in Redis yet. */
  unreported: number
  /** Empty if there is nothing to store. */
  json: string
}

/** The other replicas keep replacing the state. */
const contention: Wait = { waitMs: limits.rateLimit.pollMs, isFirm: false, reason: 'rate' }

/** A reply that took longer is not used. This process may have been paused until its lease ended. */
const replyMaxMs = 1_000

export class RateLimit {
  readonly #id: number
  readonly #shared: SharedRateLimiter | undefined
  /** Identifies the lease. After an eviction from memory, this replica may have two of one company for a moment. */
  readonly #leaseId = randomBytes(8).toString('base64url')
  readonly #onRecall = () => this.#giveBack()
  /** What this replica knows. It includes the state in Redis as it was last read. */
  state = initialState
  /** Requests of this replica. */
  #inFlight = 0
  /** Permits that this replica may still use without Redis. */
  #inAdvance = 0
  /** Whether a permit was used that was held in advance since the latest exchange. */
  #isLeaseUsed = false
  /** The state in Redis as it was last read or written; undefined before. */
  #storedJson: string | undefined
  #clockOffsetMs = 0
  /** Requests of each caller that Redis does not have yet. */
  readonly #unsavedCounts = new Map<string, number>()
  /** Requests that Redis does not have yet and no response has reported. Another replica may have sent as many. */
  #unreported = 0
  readonly #onHourMostlyUsed: (usage: HourUsage) => void
  /** End of the hour for which `onHourMostlyUsed` was called. */
  #warnedUntilMs = 0
  /** Requests that the next exchange decides about. */
  #asks: Ask[] = []
  #isSaved = true
  #isExchanging = false
  #isClosed = false
  /** How often permits in advance were recalled. An exchange that began before must not use them. */
  #recalls = 0
  /** The leases of other replicas that this one recalled. */
  #recalled = ''
  #renewalTimer: NodeJS.Timeout | undefined

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

  /** Returns a permit or how long to wait, synchronously if Redis need not be asked. */
  tryAcquire (purpose: PermitPurpose): Permit | Wait | Promise<Permit | Wait> {
    const shared = this.#shared
    if (shared === undefined) {
      const { state, wait } = decide(this.state, { inFlight: this.#inFlight, leased: 0 }, this.nowMs, purpose)
      this.state = state
      return wait ?? this.#grant(purpose.callerId)
    }
    const permit = this.#takeInAdvance(shared, purpose)
    if (permit !== undefined) return permit
    const { promise, resolve } = Promise.withResolvers<Permit | Wait>()
    this.#asks.push({ purpose, resolve })
    this.#exchange(shared)
    return promise
  }

  /** Stores what this replica knows. If Redis is unavailable, that is done with a later response. */
  save (): void {
    // A failover may have lost a block that was stored.
    const isBlocked = this.state.throttledUntilMs > this.nowMs
    if (!this.#isSaved || this.#inAdvance > 0 || isBlocked) this.#giveBack()
  }

  /** Gives back the permits that are held in advance, and holds none from then on. */
  close (): void {
    this.#isClosed = true
    if (this.#isExchanging) this.#giveBack()
    else this.save()
  }

  /** Stops using the permits that are held in advance. The exchange decides whether there are new ones. */
  #giveBack (): void {
    if (this.#shared === undefined) return
    this.#recalls++
    this.#inAdvance = 0
    this.#isSaved = false
    this.#exchange(this.#shared)
  }

  /** Returns a permit of those that are held in advance, unless the request may have to wait. */
  #takeInAdvance (shared: SharedRateLimiter, purpose: PermitPurpose): Permit | undefined {
    if (this.#inAdvance === 0 || !shared.isCurrent) return undefined
    const others = countPermitsOfOthers(this.state, this.#leaseId)
    const used = { ...others, inFlight: others.inFlight + this.#inFlight }
    const { state, wait } = decide(this.state, used, this.nowMs, purpose)
    // A request that begins a probe is known to all replicas before it is sent.
    if (wait !== undefined || state !== this.state) return undefined
    this.#inAdvance--
    this.#isLeaseUsed = true
    this.#isSaved = false
    this.#addUnsaved(purpose.callerId, 1)
    return this.#grant(purpose.callerId)
  }

  #grant (callerId: string): Permit {
    const startedAtMs = this.nowMs
    this.#inFlight++
    this.#countRequest(callerId, 1)
    return { waitMs: 0, release: update => this.#release(callerId, startedAtMs, update) }
  }

  #release (callerId: string, startedAtMs: number, update: RateLimitUpdate | undefined): void {
    this.#inFlight--
    if (update?.mayBeCounted !== true) {
      this.#countRequest(callerId, -1)
      this.#addUnsaved(callerId, -1)
    }
    if (update !== undefined) {
      this.state = applyUpdate(this.state, update, startedAtMs, this.nowMs)
      this.#checkHour()
    }
    if (this.#shared === undefined) return
    if (update?.reportedWindow !== undefined) this.#unreported = 0
    else if (update?.mayBeCounted === true) this.#unreported++
    this.#isSaved = false
    if (this.#mustSave()) this.#exchange(this.#shared)
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
  }

  #addUnsaved (callerId: string, change: number): void {
    if (this.#shared === undefined) return
    const count = (this.#unsavedCounts.get(callerId) ?? 0) + change
    if (count === 0) this.#unsavedCounts.delete(callerId)
    // While Redis is down, the counts of further callers stay in this replica.
    else if (this.#unsavedCounts.size < limits.rateLimit.countedCallersMax || this.#unsavedCounts.has(callerId)) {
      this.#unsavedCounts.set(callerId, count)
    }
  }

  /** Whether the other replicas need what this one knows before it has used the permits that it holds in advance. */
  #mustSave (): boolean {
    if (this.#isSaved) return false
    const held = this.#inAdvance + countInAdvanceOfOthers(this.state, this.#leaseId)
    return this.#inAdvance === 0 || held > countLeasable(this.state, this.#countInFlight(), this.nowMs)
  }

  /** Returns the number of requests of all replicas that are in flight, as far as this replica knows. */
  #countInFlight (): number {
    const { inFlight, leased } = countPermitsOfOthers(this.state, this.#leaseId)
    return this.#inFlight + inFlight + leased - countInAdvanceOfOthers(this.state, this.#leaseId)
  }

  /** Decides about the requests that ask, and stores what this replica knows, by one exchange at a time. */
  async #exchange (shared: SharedRateLimiter): Promise<void> {
    if (this.#isExchanging) return
    this.#isExchanging = true
    for (;;) {
      const asks = this.#asks.filter(({ purpose, resolve }) => {
        const permit = this.#takeInAdvance(shared, purpose)
        if (permit !== undefined) resolve(permit)
        return permit === undefined
      })
      this.#asks = []
      if (asks.length === 0 && !this.#mustSave()) break
      const isStored = await this.#tryReplace(shared, asks)
      // The next response stores both.
      if (!isStored && this.#asks.length === 0) break
    }
    this.#isExchanging = false
    this.#scheduleRenewal(shared)
  }

  /** Returns whether the state was replaced. */
  async #tryReplace (shared: SharedRateLimiter, asks: readonly Ask[]): Promise<boolean> {
    const recalls = this.#recalls
    // No permits are used during the exchange, because it replaces the lease. Recalls are received from now on.
    this.#inAdvance = 0
    if (this.#storedJson === undefined) await this.#read(shared)
    if (!this.#isClosed) shared.hold(this.#id, this.nowMs, this.#onRecall)
    for (let attempt = 0; attempt < limits.rateLimit.replaceAttemptsMax; attempt++) {
      const plan = this.#plan(shared, asks)
      const startedAtMs = monotonicNowMs()
      this.#isSaved = true
      const isRecall = plan.recalled !== '' && plan.recalled !== this.#recalled
      const reply = await shared.replace(this.#id, this.#storedJson ?? '', plan.json, isRecall)
      if (reply === undefined) {
        this.#isSaved = false
        this.#apply(shared, { ...plan, inAdvance: 0, counts: [], unreported: 0 }, asks)
        for (const [index, { purpose }] of asks.entries()) {
          if (plan.waits[index] === undefined) this.#addUnsaved(purpose.callerId, 1)
        }
        return false
      }
      const { isKnown, nowMs, json } = reply
      const tookMs = monotonicNowMs() - startedAtMs
      const isInTime = tookMs <= replyMaxMs
      const wasRight = Math.abs(nowMs - plan.nowMs) <= tookMs + limits.leases.clockToleranceMs
      if (isInTime) this.#clockOffsetMs = nowMs - monotonicNowMs()
      if (!isKnown) this.#merge(json)
      else if (plan.json !== '') this.#storedJson = plan.json
      if (isKnown && wasRight && isInTime) {
        this.#recalled = plan.recalled
        const isRecalled = recalls !== this.#recalls
        this.#apply(shared, isRecalled ? { ...plan, inAdvance: 0 } : plan, asks)
        if (isRecalled) this.#isSaved = false
        return true
      }
      this.#isSaved = false
    }
    shared.drop(this.#id, this.#onRecall)
    for (const { resolve } of asks) resolve(contention)
    return false
  }

  /** Reads the state and the time. */
  async #read (shared: SharedRateLimiter): Promise<void> {
    const reply = await shared.replace(this.#id, '', '')
    if (reply === undefined) return
    this.#clockOffsetMs = reply.nowMs - monotonicNowMs()
    this.#merge(reply.json)
  }

  /** Decides about the asks by what this replica knows, and how many permits it may hold in advance. */
  #plan (shared: SharedRateLimiter, asks: readonly Ask[]): Plan {
    const { leaseTiming: { leaseMs } } = shared
    const { nowMs } = this
    const leaseId = this.#leaseId
    let state = countExpiredLeases(this.state, leaseId, nowMs)
    let inFlight = this.#inFlight
    const others = countPermitsOfOthers(state, leaseId)
    const waits = asks.map(({ purpose }) => {
      const decision = decide(state, { ...others, inFlight: others.inFlight + inFlight }, nowMs, purpose)
      state = decision.state
      if (decision.wait !== undefined) return decision.wait
      inFlight++
      state = { ...state, usage: addRequests(state.usage, purpose.callerId, 1, nowMs) }
      return undefined
    })
    const inAdvanceOfOthers = countInAdvanceOfOthers(state, leaseId)
    const leasable = countLeasable(state, inFlight + others.inFlight + others.leased - inAdvanceOfOthers, nowMs)
    // Half of the rest, so that the next replica gets some, too.
    const half = Math.floor((leasable - inAdvanceOfOthers) / 2)
    const mayHold = !this.#isClosed && (this.#isLeaseUsed || asks.length > 0) && half >= limits.leases.permitsMin
    const inAdvance = mayHold ? half : 0
    const known = this.state.leases[leaseId] ?? { inFlight: 0, inAdvance: 0 }
    // A lease on permits in advance is renewed each time.
    const hasChanged = !this.#isSaved || state !== this.state || inAdvance > 0 || known.inAdvance > 0 ||
      known.inFlight !== inFlight
    state = replaceLease(state, leaseId, { inFlight, inAdvance, endsAtMs: nowMs + leaseMs })
    const json = hasChanged ? JSON.stringify(state) : ''
    const isRecall = json !== '' && inAdvanceOfOthers > leasable
    const recalled = isRecall ? JSON.stringify({ ...state.leases, [leaseId]: undefined }) : ''
    const counts = [...this.#unsavedCounts]
    return { state, nowMs, waits, inAdvance, recalled, counts, unreported: this.#unreported, json }
  }

  /** Applies a plan. Responses may have changed the state since it was made. */
  #apply (shared: SharedRateLimiter, plan: Plan, asks: readonly Ask[]): void {
    const { state, waits, inAdvance, counts, unreported } = plan
    this.state = mergeStates({ ...this.state, leases: state.leases }, state, this.nowMs)
    this.#inAdvance = inAdvance
    this.#isLeaseUsed = false
    this.#unreported = Math.max(0, this.#unreported - unreported)
    if (inAdvance === 0) shared.drop(this.#id, this.#onRecall)
    for (const [callerId, count] of counts) this.#addUnsaved(callerId, -count)
    for (const [index, { purpose, resolve }] of asks.entries()) {
      resolve(waits[index] ?? this.#grant(purpose.callerId))
    }
  }

  /** Merges what all replicas know. */
  #merge (storedJson: string): void {
    const { nowMs } = this
    this.#storedJson = storedJson
    // If Redis has lost the state, the others still use their leases.
    const found = parseState(storedJson, { ...initialState, leases: this.state.leases })
    const stored = countRequests(countExpiredLeases(found, this.#leaseId, nowMs), this.#unreported)
    let { usage } = stored
    for (const [callerId, count] of this.#unsavedCounts) usage = addRequests(usage, callerId, count, nowMs)
    const merged = mergeStates({ ...stored, usage }, this.state, nowMs)
    this.state = merged
    if (exceedsLongestWait(merged, nowMs)) {
      // Stored, because otherwise each exchange would start the longest wait again.
      this.state = capWaits(merged, nowMs)
      this.#isSaved = false
    }
  }

  /** Renews the lease, or gives it back if it was not used. If others kept replacing the state, tries again. */
  #scheduleRenewal (shared: SharedRateLimiter): void {
    clearTimeout(this.#renewalTimer)
    if (this.#isClosed || (this.#isSaved && this.#inAdvance === 0) || !shared.isUp) return
    const delayMs = this.#inAdvance > 0 ? shared.leaseTiming.leaseRenewMs : limits.rateLimit.pollMs
    this.#renewalTimer = setTimeout(() => this.save(), delayMs).unref()
  }
}
