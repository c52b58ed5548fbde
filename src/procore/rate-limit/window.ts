/**
 * What is known of one allowance of Procore's: how many requests remain until when, which of ours are under way, and whether
 * Procore said to come back later. It answers when the next request may go; it makes nobody wait.
 */
import { limits } from '../../config/limits.ts'
import type { AllowanceNews, Block, BlockKind, ToldWindow } from './headers.ts'

/** A request that is under way. */
export interface Entry {
  epoch: number
  number: number
  /** No other was under way when it went out. */
  first: boolean
}

interface Told { remaining: number, limit: number | undefined, resetAtMs: number }

/** What is known of the window of which the least remains. */
export interface WindowStanding {
  /** Nothing when nothing was told. */
  remaining: number | undefined
  limit: number | undefined
  resetMs: number
}

/** Times are of our own clock, as whoever asks reads it: it has none of its own. */
export class AllowanceWindow {
  /** Procore has two windows and tells of the one nearer to its end, so both may be known; by what names them in the headers. */
  readonly #told = new Map<string, Told>()
  #blockedUntilMs = 0
  #block: BlockKind = 'rate'
  #underWay = 0
  #entered = 0
  /** Counts the resets: an answer to a request from before the last one tells nothing of the new count. */
  epoch = 0
  /** Since a reset no answer has told the new count. */
  #uncounted = false
  #probeAtMs: number | undefined
  #heldUntilMs = 0

  /**
   * When a request may go: a time that is not in the future means now. `certain` is false when an answer to a request that is
   * under way may let it go earlier; `probing` says that nothing is known to be spent.
   */
  readyAt (nowMs: number, sentWhole: boolean): { atMs: number, certain: boolean, probing?: true } {
    this.#forget(nowMs)
    if (this.#blockedUntilMs > nowMs) return { atMs: this.#blockedUntilMs, certain: true }
    // What is under way in one window says nothing of when another one is reset.
    let spentUntilMs = 0
    let crowdedUntilMs = 0
    for (const { remaining, resetAtMs } of this.#told.values()) {
      if (remaining <= 0) spentUntilMs = Math.max(spentUntilMs, resetAtMs)
      else if (remaining <= this.#underWay) crowdedUntilMs = Math.max(crowdedUntilMs, resetAtMs)
    }
    if (spentUntilMs > 0) return { atMs: spentUntilMs, certain: true }
    if (crowdedUntilMs > 0) return { atMs: crowdedUntilMs, certain: false }
    if (this.#heldUntilMs > nowMs) return { atMs: this.#heldUntilMs, certain: false, probing: true }
    return this.#uncounted ? { atMs: this.#afterProbe(sentWhole), certain: false, probing: true } : { atMs: 0, certain: false }
  }

  /** While the new count is unknown one request goes ahead; a stream is not waited for, since nobody knows when it ends. */
  #afterProbe (sentWhole: boolean): number {
    if (this.#probeAtMs === undefined) return 0
    return sentWhole || this.#underWay > 0 ? this.#probeAtMs + limits.rateLimit.probeMs : 0
  }

  /** A request goes out; what comes back is to be handed to `leave`. */
  enter (nowMs: number, sentWhole: boolean): Entry {
    this.#underWay++
    this.#entered++
    if (this.#uncounted && sentWhole) this.#probeAtMs ??= nowMs
    // It asks the other replicas; until it knows, the others need not ask as well.
    if (this.#heldUntilMs > 0) this.holdFor(limits.redis.timeoutMs, nowMs)
    return { epoch: this.epoch, number: this.#entered, first: this.#underWay === 1 }
  }

  /** A request came to its end: with an answer, without one, in which case Procore may have counted it, or without having left. */
  leave ({ isAnswered, isCounted, told }: AllowanceNews, { epoch, number, first }: Entry, nowMs: number): void {
    this.#underWay--
    this.#forget(nowMs)
    if (told !== undefined) this.#read(told, nowMs, first && number === this.#entered)
    else if (isCounted) for (const window of this.#told.values()) window.remaining--
    if (epoch !== this.epoch) return
    if (isAnswered) this.#uncounted = false
    this.#probeAtMs = undefined
  }

  /** Procore said to come back later: nothing goes until then. */
  blockFor ({ kind, ms }: Block, nowMs: number): void {
    if (nowMs + ms <= this.#blockedUntilMs) return
    this.#blockedUntilMs = nowMs + ms
    this.#block = kind
  }

  /** Another replica is about to learn more: nothing goes for a moment, and then one goes to ask. */
  holdFor (ms: number, nowMs: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, nowMs + ms)
  }

  /** The other replicas let requests go. Returns whether any were held. */
  release (): boolean {
    const wasHeld = this.#heldUntilMs > 0
    this.#heldUntilMs = 0
    return wasHeld
  }

  /** Why nothing goes, if Procore said to come back later. */
  blockedBy (nowMs: number): BlockKind | undefined {
    return this.#blockedUntilMs > nowMs ? this.#block : undefined
  }

  /** How long Procore said to come back later; 0 when it did not. */
  blockedMs (nowMs: number): number {
    return Math.max(0, this.#blockedUntilMs - nowMs)
  }

  /** What was told of the window of which the least remains. */
  standing (nowMs: number): WindowStanding {
    this.#forget(nowMs)
    let scarcest: Told | undefined
    for (const told of this.#told.values()) {
      if (scarcest === undefined || told.remaining < scarcest.remaining) scarcest = told
    }
    return { remaining: scarcest?.remaining, limit: scarcest?.limit, resetMs: scarcest === undefined ? 0 : scarcest.resetAtMs - nowMs }
  }

  /** Whether a request is under way. */
  get isBusy (): boolean {
    return this.#underWay > 0
  }

  #read ({ name, remaining, limit, resetMs }: ToldWindow, nowMs: number, wasAlone: boolean): void {
    const told = this.#told.get(name)
    // Answers overtake each other: within one window the lowest count is the latest, unless there was no other.
    if (told === undefined || wasAlone) this.#told.set(name, { remaining, limit, resetAtMs: nowMs + resetMs })
    else told.remaining = Math.min(told.remaining, remaining)
  }

  /** Lets go of windows and blocks that are over; from then on the count is unknown. */
  #forget (nowMs: number): void {
    let isOver = this.#blockedUntilMs > 0 && this.#blockedUntilMs <= nowMs
    if (isOver) this.#blockedUntilMs = 0
    for (const [name, { resetAtMs }] of this.#told) {
      if (resetAtMs > nowMs) continue
      this.#told.delete(name)
      isOver = true
    }
    if (!isOver) return
    this.epoch++
    this.#uncounted = true
    this.#probeAtMs = undefined
  }
}
