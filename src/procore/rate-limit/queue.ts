/**
 * The line of one allowance: while something remains a request goes at once; while nothing does it waits in order as long as the wait is
 * worth it, and is told exactly when to come again otherwise. It knows neither whose allowance it is nor what other replicas know.
 */
import { limits } from '../../config/limits.ts'
import { Problem, overloaded } from '../../server/problem.ts'
import { CallerGone } from '../../server/errors.ts'
import { newsOf, type Block, type BlockKind } from './headers.ts'
import { AllowanceWindow, type WindowStanding } from './window.ts'
import type { ExchangeResult } from '../exchange.ts'
import type { Caller } from '../../server/disconnect-signal.ts'
import { WaitingLine } from './fair-queue.ts'

/** What has to be known of a request to let it go or wait. */
export interface AllowanceRequest {
  /** Within one allowance companies take turns. */
  companyId: number
  /** A stream can't be repeated and its end is not known, so it does not go ahead to learn the count. */
  sentWhole: boolean
  /** Longest wait, in milliseconds. */
  waitMs: number
  caller: Caller
}

/** Leave to send one request, to be handed back once. */
export interface Ticket {
  /** @param result nothing when the request did not leave */
  leave: (result?: ExchangeResult) => void
}

interface Waiter {
  companyId: number
  number: number
  sentWhole: boolean
  deadlineMs: number
  go: (ticket: Ticket) => void
  refuse: (error: Error) => void
}

/** How many wait, and were refused, of all buckets together. */
export interface BucketCounts { waiting: number, refused: number }

/** One allowance: a company's, or that of all. Of one company `limits.rateLimit.queuePerCompanyMax` requests may wait. */
export class Bucket {
  readonly #window = new AllowanceWindow()
  readonly #line = new WaitingLine<Waiter>()
  readonly #count: BucketCounts
  #timer: NodeJS.Timeout | undefined
  #numbers = 0

  constructor (count: BucketCounts) {
    this.#count = count
  }

  /** What Procore told of it, and for how long it said to come back later, in milliseconds. */
  get standing (): WindowStanding & { blockedMs: number, blockedBy: BlockKind | undefined } {
    const nowMs = Date.now()
    return { ...this.#window.standing(nowMs), blockedMs: this.#window.blockedMs(nowMs), blockedBy: this.#window.blockedBy(nowMs) }
  }

  /** Whether a request of it waits or is under way. */
  get isBusy (): boolean {
    return this.#line.size > 0 || this.#window.isBusy
  }

  /** Of a request that may come more than once, and keeps its place. */
  takeNumber (): number {
    return this.#numbers++
  }

  /** @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, `not_sent`; CallerGone */
  enter (request: AllowanceRequest, number = this.takeNumber()): Promise<Ticket> | Ticket {
    const nowMs = Date.now()
    const ready = this.#window.readyAt(nowMs, request.sentWhole)
    if (this.#line.size === 0 && ready.atMs <= nowMs) return this.#issue(request.sentWhole, nowMs)
    if (ready.certain && ready.atMs - nowMs > request.waitMs) throw this.#tooLong(nowMs, ready.atMs)
    // A probe is over within its own time, however short a wait is worth it.
    return this.#wait(request, number, nowMs + Math.max(request.waitMs, ready.probing === true ? limits.rateLimit.probeMs : 0))
  }

  /** How long Procore said to come back later; 0 when it did not. */
  get blockedMs (): number {
    return this.#window.blockedMs(Date.now())
  }

  /** Procore said to come back later. */
  block (block: Block): void {
    this.#window.blockFor(block, Date.now())
    this.#pump()
  }

  /** For whoever waited in vain. */
  refusal (): Problem {
    const nowMs = Date.now()
    return this.#tooLong(nowMs, Math.max(nowMs, this.#window.readyAt(nowMs, true).atMs))
  }

  /** What other replicas know. */
  learn ({ ms, why }: { ms: number, why: BlockKind | 'probe' }): void {
    if (why === 'probe') this.#window.holdFor(ms, Date.now())
    else this.#window.blockFor({ kind: why, ms }, Date.now())
  }

  /** Other replicas make nobody wait any more: whoever waited for them may go and ask. */
  open (): void {
    if (this.#window.release()) this.#pump()
  }

  /** Nobody is called by a timer any more. */
  stop (): void {
    clearTimeout(this.#timer)
  }

  async #wait ({ companyId, sentWhole, caller }: AllowanceRequest, number: number, deadlineMs: number): Promise<Ticket> {
    if (this.#count.waiting >= limits.rateLimit.queueMax || this.#line.sizeOf(companyId) >= limits.rateLimit.queuePerCompanyMax) {
      throw overloaded('Too many requests wait for Procore\'s allowance.', { outcome: 'not_sent' })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Ticket>()
    const waiter: Waiter = { companyId, number, sentWhole, deadlineMs, go: resolve, refuse: reject }
    this.#line.add(companyId, waiter)
    this.#count.waiting++
    const forgetCaller = caller.whenGone(() => {
      if (!this.#line.remove(companyId, waiter)) return
      this.#count.waiting--
      reject(new CallerGone())
    })
    this.#pump()
    try {
      return await promise
    } finally {
      forgetCaller()
    }
  }

  #issue (sentWhole: boolean, nowMs: number): Ticket {
    const entry = this.#window.enter(nowMs, sentWhole)
    return {
      leave: result => {
        const nowMs = Date.now()
        this.#window.leave(newsOf(result, nowMs), entry, nowMs)
        this.#pump()
      },
    }
  }

  /** Lets go whoever may go, refuses whoever waits in vain, and comes back when that may change. */
  #pump (): void {
    clearTimeout(this.#timer)
    for (;;) {
      const nowMs = Date.now()
      const waiter = this.#line.first()
      if (waiter === undefined) return
      const { atMs, certain } = this.#window.readyAt(nowMs, waiter.sentWhole)
      if (atMs > nowMs) {
        this.#refuseVain(nowMs, atMs, certain)
        this.#comeBack(nowMs, atMs)
        return
      }
      this.#line.shift()
      this.#count.waiting--
      waiter.go(this.#issue(waiter.sentWhole, nowMs))
    }
  }

  #refuseVain (nowMs: number, atMs: number, certain: boolean): void {
    for (const waiter of [...this.#line]) {
      if (waiter.deadlineMs > nowMs && (!certain || atMs <= waiter.deadlineMs)) continue
      this.#line.remove(waiter.companyId, waiter)
      this.#count.waiting--
      waiter.refuse(this.#tooLong(nowMs, atMs))
    }
  }

  #comeBack (nowMs: number, atMs: number): void {
    let nextMs = atMs
    for (const { deadlineMs } of this.#line) nextMs = Math.min(nextMs, deadlineMs)
    if (this.#line.size > 0) this.#timer = setTimeout(() => this.#pump(), nextMs - nowMs)
  }

  #tooLong (nowMs: number, atMs: number): Problem {
    const headers = { 'retry-after': String(Math.max(1, Math.ceil((atMs - nowMs) / 1000))) }
    if (this.#window.blockedBy(nowMs) === 'unavailable') return new Problem('procore_unavailable', 'Procore asked to be left alone for a while.', { outcome: 'not_sent', headers })
    this.#count.refused++
    return new Problem('procore_rate_limited', 'Procore\'s allowance of requests is spent.', { outcome: 'not_sent', headers })
  }
}
