/**
 * The rules of one rate limit, as pure functions of a plain value. They are the same with and without Redis.
 *
 * - A *window* is a number of requests that remain until a reset. Procore has two, of an hour and of seconds. A
 *   response reports the one that is closer to its limit, so both may be known.
 * - A request *passes* if in each window more requests remain than are in flight.
 * - It *waits* for the reset of an exhausted window, and for the time that Procore asked for. If all remaining requests
 *   are in flight, it waits for one of their responses.
 * - After a reset, and after a time that Procore asked for, the count is unknown. Then one request, the *probe*, is
 *   sent ahead. The others wait for its response, at most `limits.rateLimit.probeMs`.
 */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { limits } from '../../config/limits.ts'
import type { RateLimitUpdate, ThrottleReason } from './headers.ts'

/** The names are a format that Redis stores. */
const StateSchema = Type.Object({
  windows: Type.Array(Type.Object({
    /** Its limit and reset, as in the headers. */
    name: Type.String(),
    remaining: Type.Number(),
    limit: Type.Union([Type.Number(), Type.Null()]),
    resetAtMs: Type.Number(),
  })),
  throttledUntilMs: Type.Number(),
  throttleReason: Type.Union([Type.Literal('rate'), Type.Literal('unavailable')]),
  /** When the latest request with a response was sent. If a window or a throttle ended later, the count is unknown. */
  countedAtMs: Type.Number(),
  /** When requests began to wait for the latest probe. */
  probedAtMs: Type.Number(),
})

export type RateLimitState = Static<typeof StateSchema>

export const initialState: RateLimitState = {
  windows: [], throttledUntilMs: 0, throttleReason: 'rate', countedAtMs: 0, probedAtMs: -1
}

/** Parses stored JSON. A missing or unknown format is the initial state: the next response reports the count. */
export function parseState (json: string): RateLimitState {
  try {
    const value: unknown = JSON.parse(json)
    return Value.Check(StateSchema, value) ? value : initialState
  } catch {
    return initialState
  }
}

/** How long a request has to wait. */
export interface Wait {
  waitMs: number
  /** False if the response to a request in flight may end the wait earlier. */
  isFirm: boolean
  reason: ThrottleReason | 'probe'
}

/**
 * Decides whether one more request passes.
 * @returns the new state, and how long the request has to wait; undefined if it passes
 */
export function acquire (
  state: RateLimitState, inFlight: number, nowMs: number
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
    else if (remaining <= inFlight) saturatedUntilMs = Math.max(saturatedUntilMs, resetAtMs)
  }
  if (exhaustedUntilMs > 0) return waitUntil(exhaustedUntilMs, true, 'rate')
  if (saturatedUntilMs > 0) return waitUntil(saturatedUntilMs, false, 'rate')
  if (countedAtMs >= unknownSinceMs) return { state }
  if (probedAtMs < unknownSinceMs) return acquire({ ...state, probedAtMs: nowMs }, inFlight, nowMs)
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
  }, nowMs)
}

/** Counts requests that no response has reported. Procore may have counted them. */
export function countRequests (state: RateLimitState, count: number): RateLimitState {
  if (count === 0) return state
  const windows = state.windows.map(window => ({ ...window, remaining: window.remaining - count }))
  return { ...state, windows }
}

/** Merges what two replicas know, or what one knows with a new response. */
export function mergeStates (known: RateLimitState, added: RateLimitState, nowMs: number): RateLimitState {
  const countedAtMs = Math.max(known.countedAtMs, added.countedAtMs)
  // A window that ended is needed until a later request has a response.
  const endedAtMs = Math.min(nowMs, countedAtMs)
  const windows = known.windows.filter(({ resetAtMs }) => resetAtMs > endedAtMs)
  for (const window of added.windows) {
    if (window.resetAtMs <= endedAtMs) continue
    const index = windows.findIndex(({ name }) => name === window.name)
    const same = windows[index]
    if (same === undefined) windows.push(window)
    // Responses overtake each other: within one window the lowest number is the latest.
    else if (window.remaining < same.remaining) windows[index] = { ...same, remaining: window.remaining }
  }
  const { throttledUntilMs, throttleReason } = added.throttledUntilMs > known.throttledUntilMs ? added : known
  const probedAtMs = Math.max(known.probedAtMs, added.probedAtMs)
  return { windows, throttledUntilMs, throttleReason, countedAtMs, probedAtMs }
}
