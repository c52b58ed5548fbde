/**
 * Tracks the state of one rate limit of Procore: how many requests remain until the reset, how many are in flight, and
 * whether Procore asked to retry later. Computes when the next request may be sent.
 */
import { limits } from '../../config/limits.ts'
import type { RateLimitUpdate, Throttle, ThrottleReason, ReportedWindow } from './headers.ts'

/** A request in flight. */
export interface InFlightEntry {
  epoch: number
  sequence: number
  /** No other request was in flight when it was sent. */
  wasAlone: boolean
}

interface WindowState { remaining: number, limit: number | undefined, resetAtMs: number }

/** State of the window with the fewest remaining requests. */
export interface WindowSnapshot {
  /** Undefined if Procore has not reported a window. */
  remaining: number | undefined
  limit: number | undefined
  resetMs: number
}

/** When a request may be sent. */
export interface Readiness {
  /** Now, if it is not in the future. */
  atMs: number
  /** False if the response to a request in flight may allow it earlier. */
  isFirm: boolean
  /** The request waits for a probe: the limit is not known to be exhausted. */
  isProbing?: true
}

/** All times are by our own clock, and are passed in. */
export class RateLimitWindows {
  /** By name. Procore has two windows and reports the one that is closer to being exhausted, so both may be known. */
  readonly #windows = new Map<string, WindowState>()
  #throttledUntilMs = 0
  #throttleReason: ThrottleReason = 'rate'
  #inFlight = 0
  #lastSequence = 0
  /** Number of resets: a response to a request from an earlier epoch says nothing about the new count. */
  epoch = 0
  /** No response has reported the new count since the last reset. */
  #remainingUnknown = false
  #probeStartedAtMs: number | undefined
  #pausedUntilMs = 0

  /** Returns when a request may be sent. */
  readyAt (nowMs: number, isBuffered: boolean): Readiness {
    this.#expire(nowMs)
    if (this.#throttledUntilMs > nowMs) return { atMs: this.#throttledUntilMs, isFirm: true }
    // Requests in flight may use up one window, but they do not delay the reset of another.
    let exhaustedUntilMs = 0
    let saturatedUntilMs = 0
    for (const { remaining, resetAtMs } of this.#windows.values()) {
      if (remaining <= 0) exhaustedUntilMs = Math.max(exhaustedUntilMs, resetAtMs)
      else if (remaining <= this.#inFlight) saturatedUntilMs = Math.max(saturatedUntilMs, resetAtMs)
    }
    if (exhaustedUntilMs > 0) return { atMs: exhaustedUntilMs, isFirm: true }
    if (saturatedUntilMs > 0) return { atMs: saturatedUntilMs, isFirm: false }
    if (this.#pausedUntilMs > nowMs) return { atMs: this.#pausedUntilMs, isFirm: false, isProbing: true }
    if (this.#remainingUnknown) return { atMs: this.#probeEndsAtMs(isBuffered), isFirm: false, isProbing: true }
    return { atMs: 0, isFirm: false }
  }

  /**
   * Returns until when a request waits for the probe: while the new count is unknown, one request is sent ahead. No
   * request waits for a stream, because its end is not known.
   */
  #probeEndsAtMs (isBuffered: boolean): number {
    if (this.#probeStartedAtMs === undefined) return 0
    return isBuffered || this.#inFlight > 0 ? this.#probeStartedAtMs + limits.rateLimit.probeMs : 0
  }

  /** Counts a request in flight. The entry must be passed to `release`. */
  acquire (nowMs: number, isBuffered: boolean): InFlightEntry {
    this.#inFlight++
    this.#lastSequence++
    if (this.#remainingUnknown && isBuffered) this.#probeStartedAtMs ??= nowMs
    // This request asks the other replicas; until it has a reply, the others need not ask.
    if (this.#pausedUntilMs > 0) this.pauseFor(limits.redis.timeoutMs, nowMs)
    return { epoch: this.epoch, sequence: this.#lastSequence, wasAlone: this.#inFlight === 1 }
  }

  /** Ends a request: with a response, without one (Procore may have counted it), or without having been sent. */
  release (update: RateLimitUpdate, entry: InFlightEntry, nowMs: number): void {
    const { hasResponse, mayBeCounted, reportedWindow } = update
    this.#inFlight--
    this.#expire(nowMs)
    if (reportedWindow !== undefined) {
      const wasAlone = entry.wasAlone && entry.sequence === this.#lastSequence
      this.#applyWindow(reportedWindow, nowMs, wasAlone)
    } else if (mayBeCounted) {
      for (const state of this.#windows.values()) state.remaining--
    }
    if (entry.epoch !== this.epoch) return
    if (hasResponse) this.#remainingUnknown = false
    this.#probeStartedAtMs = undefined
  }

  /** Stops requests for the time that Procore asked for. */
  throttle ({ reason, durationMs }: Throttle, nowMs: number): void {
    if (nowMs + durationMs <= this.#throttledUntilMs) return
    this.#throttledUntilMs = nowMs + durationMs
    this.#throttleReason = reason
  }

  /** Pauses requests while another replica probes; after the pause one request asks the replicas again. */
  pauseFor (ms: number, nowMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + ms)
  }

  /** Ends the pause. Returns whether there was one. */
  resume (): boolean {
    const wasPaused = this.#pausedUntilMs > 0
    this.#pausedUntilMs = 0
    return wasPaused
  }

  /** Why requests are throttled, if they are. */
  throttleReason (nowMs: number): ThrottleReason | undefined {
    return this.#throttledUntilMs > nowMs ? this.#throttleReason : undefined
  }

  /** How long requests are throttled, in milliseconds; 0 if they are not. */
  throttledMs (nowMs: number): number {
    return Math.max(0, this.#throttledUntilMs - nowMs)
  }

  /** Returns the state of the window with the fewest remaining requests. */
  snapshot (nowMs: number): WindowSnapshot {
    this.#expire(nowMs)
    let scarcest: WindowState | undefined
    for (const state of this.#windows.values()) {
      if (scarcest === undefined || state.remaining < scarcest.remaining) scarcest = state
    }
    const resetMs = scarcest === undefined ? 0 : scarcest.resetAtMs - nowMs
    return { remaining: scarcest?.remaining, limit: scarcest?.limit, resetMs }
  }

  /** Whether a request is in flight. */
  get isBusy (): boolean {
    return this.#inFlight > 0
  }

  #applyWindow ({ name, remaining, limit, resetMs }: ReportedWindow, nowMs: number, wasAlone: boolean): void {
    const state = this.#windows.get(name)
    // Responses may overtake each other: within one window the lowest count is the latest one. A request that was alone
    // in flight has no such race.
    if (state === undefined || wasAlone) this.#windows.set(name, { remaining, limit, resetAtMs: nowMs + resetMs })
    else state.remaining = Math.min(state.remaining, remaining)
  }

  /** Removes windows and throttles that are over. After that the count is unknown. */
  #expire (nowMs: number): void {
    let isOver = this.#throttledUntilMs > 0 && this.#throttledUntilMs <= nowMs
    if (isOver) this.#throttledUntilMs = 0
    for (const [name, { resetAtMs }] of this.#windows) {
      if (resetAtMs > nowMs) continue
      this.#windows.delete(name)
      isOver = true
    }
    if (!isOver) return
    this.epoch++
    this.#remainingUnknown = true
    this.#probeStartedAtMs = undefined
  }
}
