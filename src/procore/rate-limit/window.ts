/**
 * What is known of one allowance of Procore's: how many requests remain until when, which of ours are under way, and whether
 * Procore said to come back later. It answers when the next request may go; it makes nobody wait.
 */
import { limits } from '../../config/limits.ts'
import type { RateLimitUpdate, Throttle, ThrottleReason, ReportedWindow } from './headers.ts'

/** A request that is under way. */
export interface InFlightEntry {
  epoch: number
  sequence: number
  /** No other was under way when it went out. */
  wasAlone: boolean
}

interface WindowState { remaining: number, limit: number | undefined, resetAtMs: number }

/** What is known of the window of which the least remains. */
export interface WindowSnapshot {
  /** Nothing when nothing was told. */
  remaining: number | undefined
  limit: number | undefined
  resetMs: number
}

/** Times are of our own clock, as whoever asks reads it: it has none of its own. */
export class RateLimitWindows {
  /** Procore has two windows and tells of the one nearer to its end, so both may be known; by what names them in the headers. */
  readonly #windows = new Map<string, WindowState>()
  #throttledUntilMs = 0
  #throttleReason: ThrottleReason = 'rate'
  #inFlight = 0
  #lastSequence = 0
  /** Counts the resets: an answer to a request from before the last one tells nothing of the new count. */
  epoch = 0
  /** Since a reset no answer has told the new count. */
  #remainingUnknown = false
  #probeStartedAtMs: number | undefined
  #pausedUntilMs = 0

  /**
   * When a request may go: a time that is not in the future means now. `certain` is false when an answer to a request that is
   * under way may let it go earlier; `probing` says that nothing is known to be spent.
   */
  readyAt (nowMs: number, isBuffered: boolean): { atMs: number, isFirm: boolean, isProbing?: true } {
    this.#expire(nowMs)
    if (this.#throttledUntilMs > nowMs) return { atMs: this.#throttledUntilMs, isFirm: true }
    // What is under way in one window says nothing of when another one is reset.
    let exhaustedUntilMs = 0
    let saturatedUntilMs = 0
    for (const { remaining, resetAtMs } of this.#windows.values()) {
      if (remaining <= 0) exhaustedUntilMs = Math.max(exhaustedUntilMs, resetAtMs)
      else if (remaining <= this.#inFlight) saturatedUntilMs = Math.max(saturatedUntilMs, resetAtMs)
    }
    if (exhaustedUntilMs > 0) return { atMs: exhaustedUntilMs, isFirm: true }
    if (saturatedUntilMs > 0) return { atMs: saturatedUntilMs, isFirm: false }
    if (this.#pausedUntilMs > nowMs) return { atMs: this.#pausedUntilMs, isFirm: false, isProbing: true }
    return this.#remainingUnknown ? { atMs: this.#probeEndsAtMs(isBuffered), isFirm: false, isProbing: true } : { atMs: 0, isFirm: false }
  }

  /** While the new count is unknown one request goes ahead; a stream is not waited for, since nobody knows when it ends. */
  #probeEndsAtMs (isBuffered: boolean): number {
    if (this.#probeStartedAtMs === undefined) return 0
    return isBuffered || this.#inFlight > 0 ? this.#probeStartedAtMs + limits.rateLimit.probeMs : 0
  }

  /** A request goes out; what comes back is to be handed to `leave`. */
  acquire (nowMs: number, isBuffered: boolean): InFlightEntry {
    this.#inFlight++
    this.#lastSequence++
    if (this.#remainingUnknown && isBuffered) this.#probeStartedAtMs ??= nowMs
    // It asks the other replicas; until it knows, the others need not ask as well.
    if (this.#pausedUntilMs > 0) this.pauseFor(limits.redis.timeoutMs, nowMs)
    return { epoch: this.epoch, sequence: this.#lastSequence, wasAlone: this.#inFlight === 1 }
  }

  /** A request came to its end: with an answer, without one, in which case Procore may have counted it, or without having left. */
  release ({ hasResponse, mayBeCounted, reportedWindow }: RateLimitUpdate, { epoch, sequence, wasAlone }: InFlightEntry, nowMs: number): void {
    this.#inFlight--
    this.#expire(nowMs)
    if (reportedWindow !== undefined) this.#applyWindow(reportedWindow, nowMs, wasAlone && sequence === this.#lastSequence)
    else if (mayBeCounted) for (const window of this.#windows.values()) window.remaining--
    if (epoch !== this.epoch) return
    if (hasResponse) this.#remainingUnknown = false
    this.#probeStartedAtMs = undefined
  }

  /** Procore said to come back later: nothing goes until then. */
  throttle ({ reason, durationMs }: Throttle, nowMs: number): void {
    if (nowMs + durationMs <= this.#throttledUntilMs) return
    this.#throttledUntilMs = nowMs + durationMs
    this.#throttleReason = reason
  }

  /** Another replica is about to learn more: nothing goes for a moment, and then one goes to ask. */
  pauseFor (ms: number, nowMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + ms)
  }

  /** The other replicas let requests go. Returns whether any were held. */
  resume (): boolean {
    const wasPaused = this.#pausedUntilMs > 0
    this.#pausedUntilMs = 0
    return wasPaused
  }

  /** Why nothing goes, if Procore said to come back later. */
  throttleReason (nowMs: number): ThrottleReason | undefined {
    return this.#throttledUntilMs > nowMs ? this.#throttleReason : undefined
  }

  /** How long Procore said to come back later; 0 when it did not. */
  throttledMs (nowMs: number): number {
    return Math.max(0, this.#throttledUntilMs - nowMs)
  }

  /** What was told of the window of which the least remains. */
  snapshot (nowMs: number): WindowSnapshot {
    this.#expire(nowMs)
    let scarcest: WindowState | undefined
    for (const state of this.#windows.values()) {
      if (scarcest === undefined || state.remaining < scarcest.remaining) scarcest = state
    }
    return { remaining: scarcest?.remaining, limit: scarcest?.limit, resetMs: scarcest === undefined ? 0 : scarcest.resetAtMs - nowMs }
  }

  /** Whether a request is under way. */
  get isBusy (): boolean {
    return this.#inFlight > 0
  }

  #applyWindow ({ name, remaining, limit, resetMs }: ReportedWindow, nowMs: number, wasAlone: boolean): void {
    const state = this.#windows.get(name)
    // Answers overtake each other: within one window the lowest count is the latest, unless there was no other.
    if (state === undefined || wasAlone) this.#windows.set(name, { remaining, limit, resetAtMs: nowMs + resetMs })
    else state.remaining = Math.min(state.remaining, remaining)
  }

  /** Lets go of windows and blocks that are over; from then on the count is unknown. */
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
