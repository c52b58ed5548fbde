/**
 * Paces requests by what Procore allows (Procore: Rate Limiting), each company by its own allowance or all by one, and together with the
 * other replicas where they share. Whether one request goes now is decided in bucket.ts; here it is whose allowance it takes.
 */
import type { Config } from '../../config/index.ts'
import { limits } from '../../config/limits.ts'
import { forgetOldest } from '../../util/evict-oldest.ts'
import { CallerGone } from '../../server/errors.ts'
import type { SharedAllowance } from '../../storage/shared-rate-limit.ts'
import { newsOf, type AllowanceNews, type Block } from './headers.ts'
import { Bucket, type AllowanceRequest, type BucketCounts, type Ticket } from './queue.ts'

/** What is known of one allowance, to be looked at. */
export interface AllowanceStanding {
  /** Nothing where all companies share one. */
  companyId: number | undefined
  /** Requests. */
  remaining: number
  /** Of how many, where Procore says so. */
  limit: number | undefined
  /** Until it is whole again, or until Procore said to come back. */
  resetMs: number
}

/** The allowances of all companies: `limits.rateLimit.queueMax` requests may wait in all, and beyond `limits.rateLimit.companiesMax` one that has nothing under way is forgotten. */
export class Allowance {
  readonly #perCompany: boolean
  readonly #shared: SharedAllowance | undefined
  readonly #buckets = new Map<number, Bucket>()
  /** Of all companies together. */
  readonly #count: BucketCounts = { waiting: 0, refused: 0 }

  /** @param shared what other replicas know of it */
  constructor ({ allowance }: Pick<Config['procore'], 'allowance'>, shared?: SharedAllowance) {
    this.#perCompany = allowance === 'company'
    this.#shared = shared
  }

  /** How many wait, of all companies. */
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
    const deadlineMs = startedAtMs + Math.max(request.waitMs, limits.rateLimit.probeMs)
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

  /** Nobody is called by a timer any more. */
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
    const bucket = new Bucket(this.#count)
    this.#buckets.set(key, bucket)
    forgetOldest(this.#buckets, () => this.#buckets.size / limits.rateLimit.companiesMax, (oldest, idle) => { if (idle !== bucket) this.#forget(oldest, idle) })
    return bucket
  }

  /** What it knew will be told again by Procore's next answer. */
  #forget (key: number, bucket: Bucket): void {
    if (bucket.isBusy) return
    bucket.stop()
    this.#buckets.delete(key)
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
