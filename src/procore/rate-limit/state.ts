/**
 * The rules of one rate limit, as pure functions of a plain value. They are the same with and without Redis.
 *
 * - A *window* is a number of requests that remain until a reset. Procore has two, of an hour and of seconds. A
 *   response reports the one that is closer to its limit, so both may be known.
 * - A request *passes* if in each window more requests remain than are in flight.
 * - It *waits* for the reset of an exhausted window, and for the time that Procore asked for. If all remaining requests
 *   are in flight, it waits for one of their responses.
 * - A caller waits for the end of a window of which it has used its share, if other callers were active in it.
 * - A *read* also waits if only the part of a window remains that is reserved for creates and changes, and a request of
 *   an *import* if only a larger part remains.
 * - After a reset, and after a time that Procore asked for, the count is unknown. Then one request, the *probe*, is
 *   sent ahead. The others wait for its response, at most `limits.rateLimit.probeMs`.
 * - With Redis, each replica has a *lease*: its requests in flight, and the permits that it holds *in advance* while
 *   plenty remains. The permits of all leases count as in flight. If a replica dies, they count as used.
 */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { limits } from '../../config/limits.ts'
import { windowNameMaxLength, type RateLimitUpdate, type ThrottleReason } from './headers.ts'
import { alignPeriod, initialUsage, remainingInHour, shareExhaustedUntilMs, UsageSchema } from './usage.ts'

/** The permits of one replica, as of its latest exchange with Redis. */
const LeaseSchema = Type.Object({
  inFlight: Type.Number(),
  inAdvance: Type.Number(),
  endsAtMs: Type.Number(),
})

export type Lease = Static<typeof LeaseSchema>

/** The names are a format that Redis stores. */
const StateSchema = Type.Object({
  windows: Type.Array(Type.Object({
    /** Its limit and reset, as in the headers. */
    name: Type.String({ maxLength: windowNameMaxLength }),
    remaining: Type.Number(),
    limit: Type.Union([Type.Number(), Type.Null()]),
    resetAtMs: Type.Number(),
  }), { maxItems: limits.rateLimit.windowsMax }),
  throttledUntilMs: Type.Number(),
  throttleReason: Type.Union([Type.Literal('rate'), Type.Literal('unavailable')]),
  /** When the latest request with a response was sent. If a window or a throttle ended later, the count is unknown. */
  countedAtMs: Type.Number(),
  /** When requests began to wait for the latest probe. */
  probedAtMs: Type.Number(),
  usage: UsageSchema,
  /** One for each replica, by lease id. Empty without Redis. */
  leases: Type.Record(Type.String(), LeaseSchema),
})

export type RateLimitState = Static<typeof StateSchema>

export const initialState: RateLimitState = {
  windows: [],
  throttledUntilMs: 0,
  throttleReason: 'rate',
  countedAtMs: 0,
  probedAtMs: -1,
  usage: initialUsage,
  leases: {},
}

/**
 * Parses stored JSON.
 * @param fallback returned if nothing is stored, or another format: the next response reports the count
 */
export function parseState (json: string, fallback: RateLimitState = initialState): RateLimitState {
  try {
    const value: unknown = JSON.parse(json)
    return Value.Check(StateSchema, value) ? value : fallback
  } catch {
    return fallback
  }
}

/** Whether the state delays requests for longer than any header may, as after the clock was set back. */
export function exceedsLongestWait (
  { windows, throttledUntilMs, usage, leases }: RateLimitState, nowMs: number
): boolean {
  const latestMs = nowMs + limits.rateLimit.waitMaxMs
  const leaseEnds = Object.values(leases).map(({ endsAtMs }) => endsAtMs)
  const ends = [throttledUntilMs, usage.short.endsAtMs, usage.hour.endsAtMs, ...leaseEnds]
  return ends.some(endMs => endMs > latestMs) || windows.some(({ resetAtMs }) => resetAtMs > latestMs)
}

/** Shortens all waits to the longest one that a header may ask for. */
export function capWaits (state: RateLimitState, nowMs: number): RateLimitState {
  const cap = (endMs: number) => Math.min(endMs, nowMs + limits.rateLimit.waitMaxMs)
  const { short, hour } = state.usage
  return {
    ...state,
    windows: state.windows.map(window => ({ ...window, resetAtMs: cap(window.resetAtMs) })),
    throttledUntilMs: cap(state.throttledUntilMs),
    usage: {
      short: { ...short, endsAtMs: cap(short.endsAtMs) },
      hour: { ...hour, endsAtMs: cap(hour.endsAtMs) },
    },
    leases: mapValues(state.leases, lease => ({ ...lease, endsAtMs: cap(lease.endsAtMs) })),
  }
}

/** How long a request has to wait. */
export interface Wait {
  waitMs: number
  /** False if the response to a request in flight may end the wait earlier. */
  isFirm: boolean
  reason: ThrottleReason | 'probe' | RestrictionReason
}

/** `share`: the caller has used its share. `reserve`: the rest is reserved for other purposes. */
export type RestrictionReason = 'share' | 'reserve'

/**
 * What a request is for. `change`: a single create or change, or a part of one. `read`: no change. `import`: one of
 * many requests that change many records.
 */
export type Purpose = keyof typeof limits.rateLimit.reservedShares

/** Who needs a permit, and for what. */
export interface PermitPurpose {
  /** With Redis, a pseudonym. */
  callerId: string
  purpose: Purpose
}

/** Returns how long requests of this kind have to wait while others may pass. */
export function restrict (
  { windows, usage }: RateLimitState, inFlight: number, nowMs: number, { callerId, purpose }: PermitPurpose
): Wait | undefined {
  const shareUntilMs = shareExhaustedUntilMs(usage, windows, callerId, nowMs)
  if (shareUntilMs !== undefined) return { waitMs: shareUntilMs - nowMs, isFirm: true, reason: 'share' }
  const reservedShare = limits.rateLimit.reservedShares[purpose]
  if (reservedShare === 0) return undefined
  let exhaustedUntilMs = 0
  let saturatedUntilMs = 0
  // An exhausted window delays all requests.
  const usable = windows.filter(({ remaining }) => remaining > 0)
  const hour = remainingInHour(usage, windows, nowMs)
  for (const { remaining, limit, resetAtMs } of hour === undefined ? usable : [...usable, hour]) {
    if (resetAtMs <= nowMs) continue
    const available = remaining - Math.floor((limit ?? 0) * reservedShare)
    if (available <= 0) exhaustedUntilMs = Math.max(exhaustedUntilMs, resetAtMs)
    else if (available <= inFlight) saturatedUntilMs = Math.max(saturatedUntilMs, resetAtMs)
  }
  const untilMs = exhaustedUntilMs > 0 ? exhaustedUntilMs : saturatedUntilMs
  return untilMs === 0 ? undefined : { waitMs: untilMs - nowMs, isFirm: exhaustedUntilMs > 0, reason: 'reserve' }
}

/** Permits that are not available to a request. */
export interface UsedPermits {
  inFlight: number
  /** Those of other replicas that hold permits in advance: how many of them are in flight is not known. */
  leased: number
}

/**
 * Decides whether a request passes.
 * @returns the new state, and how long the request has to wait; undefined if it passes
 */
export function decide (
  state: RateLimitState, { inFlight, leased }: UsedPermits, nowMs: number, purpose: PermitPurpose
): { state: RateLimitState, wait?: Wait } {
  const wait = restrict(state, inFlight + leased, nowMs, purpose)
  return wait === undefined ? acquire(state, inFlight, nowMs, leased) : { state, wait }
}

/**
 * Decides whether one more request passes, whichever caller it is for.
 * @param leased permits that may or may not be in flight; no response to them is awaited
 * @returns the new state, and how long the request has to wait; undefined if it passes
 */
export function acquire (
  state: RateLimitState, inFlight: number, nowMs: number, leased = 0
): { state: RateLimitState, wait?: Wait } {
  const { windows, throttledUntilMs, throttleReason, countedAtMs, probedAtMs } = state
  const waitUntil = (untilMs: number, isFirm: boolean, reason: Wait['reason']) => {
    return { state, wait: { waitMs: untilMs - nowMs, isFirm, reason } }
  }
  if (throttledUntilMs > nowMs) return waitUntil(throttledUntilMs, true, throttleReason)
  let unknownSinceMs = throttledUntilMs
  let exhaustedUntilMs = 0
  let saturatedUntilMs = 0
  for (const { remaining, resetAtMs } of windows) {
    if (resetAtMs <= nowMs) unknownSinceMs = Math.max(unknownSinceMs, resetAtMs)
    // Requests in flight may use up one window, but they do not delay the reset of another.
    else if (remaining <= 0) exhaustedUntilMs = Math.max(exhaustedUntilMs, resetAtMs)
    else if (remaining <= inFlight + leased) saturatedUntilMs = Math.max(saturatedUntilMs, resetAtMs)
  }
  if (exhaustedUntilMs > 0) return waitUntil(exhaustedUntilMs, true, 'rate')
  if (saturatedUntilMs > 0) return waitUntil(saturatedUntilMs, false, 'rate')
  if (countedAtMs >= unknownSinceMs) return { state }
  if (probedAtMs < unknownSinceMs) return acquire({ ...state, probedAtMs: nowMs }, inFlight, nowMs, leased)
  const probeEndsAtMs = probedAtMs + limits.rateLimit.probeMs
  return inFlight === 0 || probeEndsAtMs <= nowMs ? { state } : waitUntil(probeEndsAtMs, false, 'probe')
}

/** Applies the result of a request that was sent. */
export function applyUpdate (
  state: RateLimitState, update: RateLimitUpdate, startedAtMs: number, nowMs: number
): RateLimitState {
  const { hasResponse, mayBeCounted, reportedWindow, throttle } = update
  const windows: RateLimitState['windows'] = []
  if (reportedWindow !== undefined) {
    const { name, remaining, limit, resetMs } = reportedWindow
    windows.push({ name, remaining, limit, resetAtMs: nowMs + resetMs })
  }
  return mergeStates(countRequests(state, mayBeCounted && reportedWindow === undefined ? 1 : 0), {
    windows,
    throttledUntilMs: throttle === undefined ? 0 : nowMs + throttle.durationMs,
    throttleReason: throttle?.reason ?? 'rate',
    countedAtMs: hasResponse ? startedAtMs : -1,
    probedAtMs: -1,
    usage: initialUsage,
    leases: {},
  }, nowMs)
}

/** Counts requests that no response has reported. Procore may have counted them. */
export function countRequests (state: RateLimitState, count: number): RateLimitState {
  if (count === 0) return state
  const windows = state.windows.map(window => ({ ...window, remaining: window.remaining - count }))
  return { ...state, windows }
}

/** Returns the permits of all other replicas. */
export function countPermitsOfOthers ({ leases }: RateLimitState, leaseId: string): UsedPermits {
  const used = { inFlight: 0, leased: 0 }
  for (const [id, { inFlight, inAdvance }] of Object.entries(leases)) {
    if (id === leaseId) continue
    if (inAdvance === 0) used.inFlight += inFlight
    else used.leased += inFlight + inAdvance
  }
  return used
}

/** Replaces the lease of a replica, or removes it if it has no permits. */
export function replaceLease (state: RateLimitState, leaseId: string, lease: Lease): RateLimitState {
  const { [leaseId]: _, ...others } = state.leases
  return { ...state, leases: lease.inFlight + lease.inAdvance > 0 ? { ...others, [leaseId]: lease } : others }
}

/**
 * Counts the permits of other replicas that have not renewed their leases as used, because their requests may have been
 * sent.
 */
export function countExpiredLeases (state: RateLimitState, leaseId: string, nowMs: number): RateLimitState {
  const expired = Object.entries(state.leases).filter(([id, { endsAtMs }]) => id !== leaseId && endsAtMs <= nowMs)
  return expired.reduce((counted, [id, { inFlight, inAdvance }]) => {
    return replaceLease(countRequests(counted, inFlight + inAdvance), id, { inFlight: 0, inAdvance: 0, endsAtMs: 0 })
  }, state)
}

/**
 * Returns how many permits all replicas together may hold in advance: a small share of each limit, none while requests
 * have to wait, and none of the last part of a window, where replicas share request by request.
 * @param inFlight requests of all replicas
 */
export function countLeasable (state: RateLimitState, inFlight: number, nowMs: number): number {
  const { share, permitsMax, exactShare } = limits.leases
  // Beside a request in flight, so that a probe counts as a wait.
  const acquired = acquire(state, 1, nowMs)
  if (state.countedAtMs <= 0 || acquired.wait !== undefined || acquired.state !== state) return 0
  const { windows, usage } = state
  const hour = remainingInHour(usage, windows, nowMs)
  const live = [...windows, ...hour === undefined ? [] : [hour]].filter(({ resetAtMs }) => resetAtMs > nowMs)
  // A window that Procore does not report at present may be the next one that is exhausted.
  const known = [usage.short.limit, usage.hour.limit, ...live.map(({ limit }) => limit ?? 0)]
    .filter(limit => limit !== null)
  const limit = known.length === 0 ? limits.rateLimit.assumedHourLimit : Math.min(...known)
  const rests = live.map(window => window.remaining - Math.floor((window.limit ?? 0) * exactShare) - inFlight)
  return Math.max(0, Math.min(permitsMax, Math.floor(limit * share), ...rests))
}

/** Returns how many permits the other replicas hold in advance. */
export function countInAdvanceOfOthers ({ leases }: RateLimitState, leaseId: string): number {
  return Object.entries(leases).reduce((sum, [id, { inAdvance }]) => id === leaseId ? sum : sum + inAdvance, 0)
}

function mapValues<T> (record: Record<string, T>, map: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))
}

/**
 * Merges what two replicas know, or what one knows with a new response. Usage and leases are those of the first:
 * requests are added to the usage one by one, and each replica replaces its own lease.
 */
export function mergeStates (known: RateLimitState, added: RateLimitState, nowMs: number): RateLimitState {
  // Times that are ahead, because the clock was set back, would suppress the probes of the next windows.
  const countedAtMs = Math.min(nowMs, Math.max(known.countedAtMs, added.countedAtMs))
  const probedAtMs = Math.min(nowMs, Math.max(known.probedAtMs, added.probedAtMs))
  // A window that ended is needed until a later request has a response.
  const windows = known.windows.filter(({ resetAtMs }) => resetAtMs > countedAtMs)
  for (const window of added.windows) {
    if (window.resetAtMs <= countedAtMs) continue
    const index = windows.findIndex(({ name }) => name === window.name)
    const same = windows[index]
    if (same === undefined) windows.push(window)
    // Responses overtake each other: within one window the lowest number is the latest.
    else if (window.remaining < same.remaining) windows[index] = { ...same, remaining: window.remaining }
  }
  const { throttledUntilMs, throttleReason } = added.throttledUntilMs > known.throttledUntilMs ? added : known
  const usage = added.windows.reduce((aligned, window) => alignPeriod(aligned, window, nowMs), known.usage)
  const { leases } = known
  return { windows: strictest(windows), throttledUntilMs, throttleReason, countedAtMs, probedAtMs, usage, leases }
}

/** Resets that differ in every response must not accumulate. */
function strictest (windows: RateLimitState['windows']): RateLimitState['windows'] {
  const { windowsMax } = limits.rateLimit
  return windows.length <= windowsMax ? windows : windows.sort((a, b) => a.remaining - b.remaining).slice(0, windowsMax)
}
