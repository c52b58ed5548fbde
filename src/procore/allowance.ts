/**
 * Paces requests by what Procore allows each company: while something remains they go at once; while nothing does they wait in
 * order as long as the wait is worth it, and are told exactly when to come again otherwise.
 * It is long because the line, what is under way, what blocks and what replicas share are one decision: whether this request goes now.
 */
import type { Config } from '../config.ts'
import { limits } from '../limits.ts'
import { CallerGone, Problem } from '../problem.ts'
import type { SharedAllowance } from '../state/shared-allowance.ts'
import type { ExchangeResult } from './answer.ts'
import type { Caller } from './caller.ts'
import { WaitingLine } from './waiting-line.ts'
import { newsOf, type AllowanceNews, type Block, type BlockKind } from './allowance-news.ts'
import { AllowanceWindow, type WindowStanding } from './allowance-window.ts'

export interface AllowanceRequest {
  companyId: number
  /** A stream can't be repeated and its end is not known, so it does not go ahead to learn the count. */
  sentWhole: boolean
  /** Longest wait, in milliseconds. */
  waitMs: number
  caller: Caller
}

/** What is known of one allowance. */
export interface AllowanceStanding {
  /** Nothing where all companies share one. */
  companyId: number | undefined
  remaining: number
  /** Of how many, where Procore says so. */
  limit: number | undefined
  resetMs: number
}

/** Leave to send one request, to be handed back with what came of it. */
export interface Ticket {
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

export class Allowance {
  readonly #perCompany: boolean
  readonly #shared: SharedAllowance | undefined
  readonly #buckets = new Map<number, Bucket>()
  /** Of all companies together. */
  readonly #count = { waiting: 0, refused: 0 }

  /** @param shared what other replicas know of it */
  constructor ({ allowance }: Pick<Config['procore'], 'allowance'>, shared?: SharedAllowance) {
    this.#perCompany = allowance === 'company'
    this.#shared = shared
  }

  get waiting (): number {
    return this.#count.waiting
  }

  /** How many were refused here since the start for want of allowance; what Procore asked for while it was not available is not that. */
  get refused (): number {
    return this.#count.refused
  }

  /** What is known of those of whom something is known, the scarcest first. @param max how many at most */
  standings (max: number): AllowanceStanding[] {
    const standings: AllowanceStanding[] = []
    for (const [companyId, bucket] of this.#buckets) {
      const { limit, resetMs, blockedMs, blockedBy, ...told } = bucket.standing
      const remaining = blockedBy === 'rate' ? 0 : told.remaining
      if (remaining !== undefined) standings.push({ companyId: this.#perCompany ? companyId : undefined, remaining, limit, resetMs: blockedMs > 0 ? blockedMs : resetMs })
    }
    return standings.sort((a, b) => a.remaining - b.remaining).slice(0, max)
  }

  /** How many companies are remembered. */
  get companies (): number {
    return this.#buckets.size
  }

  /** @throws {Problem} `procore_rate_limited`, `procore_unavailable` or `overloaded`, `not_sent`; CallerGone */
  enter (request: AllowanceRequest): Promise<Ticket> | Ticket {
    const bucket = this.#bucket(request.companyId)
    return this.#shared === undefined ? bucket.enter(request) : this.#enterShared(request, bucket, this.#shared)
  }

  /** First as far as this replica knows, then as far as all know; what the others know is learnt, and waited for here. */
  async #enterShared (request: AllowanceRequest, bucket: Bucket, shared: SharedAllowance): Promise<Ticket> {
    const startedAtMs = Date.now()
    // What others find out is found out within its own time, however short a wait is worth it.
    const deadlineMs = startedAtMs + Math.max(request.waitMs, limits.allowanceProbeMs)
    const number = bucket.takeNumber()
    for (let isFirst = true; ; isFirst = false) {
      if (request.caller.gone) throw new CallerGone()
      if (!isFirst && Date.now() >= deadlineMs) throw bucket.refusal()
      const ticket = await bucket.enter({ ...request, waitMs: Math.max(0, startedAtMs + request.waitMs - Date.now()) }, number)
      const entrance = await shared.enter(this.#keyOf(request.companyId), request.sentWhole)
      if (entrance.isOpen) {
        bucket.open()
        return bothTickets(ticket, entrance.leave)
      }
      bucket.learn(entrance)
      ticket.leave()
    }
  }

  /** Notes that Procore said to come back later. */
  block (companyId: number, block: Block): void {
    this.#bucket(companyId).block(block)
  }

  /** How long Procore said to leave the company alone, in milliseconds. */
  blockedMs (companyId: number): number {
    return this.#bucket(companyId).blockedMs
  }

  stop (): void {
    for (const bucket of this.#buckets.values()) bucket.stop()
  }

  #keyOf (companyId: number): number {
    return this.#perCompany ? companyId : 0
  }

  #bucket (companyId: number): Bucket {
    const key = this.#keyOf(companyId)
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    if (this.#buckets.size >= limits.companiesMax) this.#forgetOldest()
    const bucket = new Bucket(this.#count)
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** What it knew will be told again by Procore's next answer. */
  #forgetOldest (): void {
    for (const [key, bucket] of this.#buckets) {
      if (bucket.isBusy) continue
      bucket.stop()
      this.#buckets.delete(key)
      return
    }
  }
}

/** Of this replica and of all. */
function bothTickets (own: Ticket, leaveShared: (news: AllowanceNews) => void): Ticket {
  return {
    leave: result => {
      own.leave(result)
      leaveShared(newsOf(result, Date.now()))
    },
  }
}

class Bucket {
  readonly #window = new AllowanceWindow()
  readonly #line = new WaitingLine<Waiter>()
  readonly #count: { waiting: number, refused: number }
  #timer: NodeJS.Timeout | undefined
  #numbers = 0

  constructor (count: { waiting: number, refused: number }) {
    this.#count = count
  }

  get standing (): WindowStanding & { blockedMs: number, blockedBy: BlockKind | undefined } {
    const nowMs = Date.now()
    return { ...this.#window.standing(nowMs), blockedMs: this.#window.blockedMs(nowMs), blockedBy: this.#window.blockedBy(nowMs) }
  }

  get isBusy (): boolean {
    return this.#line.size > 0 || this.#window.isBusy
  }

  /** Of a request that may come more than once, and keeps its place. */
  takeNumber (): number {
    return this.#numbers++
  }

  enter (request: AllowanceRequest, number = this.takeNumber()): Promise<Ticket> | Ticket {
    const nowMs = Date.now()
    const ready = this.#window.readyAt(nowMs, request.sentWhole)
    if (this.#line.size === 0 && ready.atMs <= nowMs) return this.#issue(request.sentWhole, nowMs)
    if (ready.certain && ready.atMs - nowMs > request.waitMs) throw this.#tooLong(nowMs, ready.atMs)
    // A probe is over within its own time, however short a wait is worth it.
    return this.#wait(request, number, nowMs + Math.max(request.waitMs, ready.probing === true ? limits.allowanceProbeMs : 0))
  }

  get blockedMs (): number {
    return this.#window.blockedMs(Date.now())
  }

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

  stop (): void {
    clearTimeout(this.#timer)
  }

  async #wait ({ companyId, sentWhole, caller }: AllowanceRequest, number: number, deadlineMs: number): Promise<Ticket> {
    if (this.#count.waiting >= limits.waitingMax || this.#line.sizeOf(companyId) >= limits.waitingOfCompanyMax) {
      throw new Problem('overloaded', 'Too many requests wait for Procore\'s allowance.', { outcome: 'not_sent', headers: { 'retry-after': '1' } })
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
