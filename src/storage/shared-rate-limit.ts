/**
 * Procore's allowance as all replicas see it: a request that may go as far as this replica knows asks here whether it may go as far as
 * all know. It makes nobody wait, and knows nothing while the store is away.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { RateLimitUpdate, ThrottleReason } from '../procore/rate-limit/headers.ts'
import type { LeaseTiming, RedisConnection } from './redis.ts'

/** Leave to send, or when to ask again: nothing remains, Procore said to come later, or another request is finding out. */
export type Acquisition = { granted: true, release: (update: RateLimitUpdate) => void } | { granted: false, retryAfterMs: number, reason: ThrottleReason | 'probe' }

/** What the ends of requests told, and the store has to be told. */
interface PendingReport {
  permitIds: string[]
  epoch: number
  hasResponse: boolean
  /** Requests that Procore may have counted since it last told what remains. */
  countedRequests: number
  reportedWindow: { name: string, remaining: number, resetAtMs: number } | undefined
  throttle: { reason: ThrottleReason, endsAtMs: number } | undefined
  /** When the last of them ended; all times are of our own clock. */
  endedAtMs: number
}

/** Of no request that the store knows. */
const noEpoch = -1

/** By company, or by one name for all, as `PROCORE_RATE_LIMIT_SCOPE` says: the caller names whose allowance it is. */
export class SharedRateLimiter {
  readonly #redis: RedisConnection
  /** What this replica has under way, by whose allowance it takes: of a replica that died each place ends with its lease, and counts as spent. */
  readonly #inFlight = new Map<number, Set<string>>()
  readonly #renewalTimer: NodeJS.Timeout

  readonly #leaseMs: number
  /** By whose allowance it is; of each what is newest. */
  readonly #pendingReports = new Map<number, PendingReport>()

  /** @param lease how long a place is held by a replica that says nothing, and how often one that is alive says so */
  constructor (redis: RedisConnection, { leaseMs, leaseRenewMs }: LeaseTiming = limits.redis) {
    this.#redis = redis
    this.#leaseMs = leaseMs
    this.#renewalTimer = setInterval(() => {
      this.#extendLeases()
      this.#flush()
    }, leaseRenewMs).unref()
    redis.onRecovered(() => this.#flush())
  }

  /** What is under way ends with its lease. */
  close (): void {
    clearInterval(this.#renewalTimer)
  }

  /** @param rateLimitId of whose allowance it is. While the store is away it is open, and the store is told of it later. */
  async acquire (rateLimitId: number, isBuffered: boolean): Promise<Acquisition> {
    const permitId = randomUUID()
    try {
      const reply = await this.#redis.script('acquire-rate-limit', redisKeys(rateLimitId), [permitId, this.#leaseMs, isBuffered ? '1' : '0', limits.rateLimit.probeMs, limits.rateLimit.redisTtlMs, limits.rateLimit.pollMs])
      const [granted, value, reason] = Array.isArray(reply) ? reply : []
      if (granted === 1) return this.#grant(rateLimitId, permitId, Number(value))
      return { granted: false, retryAfterMs: Math.max(1, Number(value)), reason: reason === 'unavailable' || reason === 'probe' ? reason : 'rate' }
    } catch {
      // The call may have been carried out although its answer was lost; if it was not, the renewal puts the request in.
      return this.#grant(rateLimitId, permitId, noEpoch)
    }
  }

  #grant (rateLimitId: number, permitId: string, epoch: number): Acquisition {
    const permitIds = this.#inFlight.get(rateLimitId) ?? new Set()
    this.#inFlight.set(rateLimitId, permitIds.add(permitId))
    return {
      granted: true,
      release: update => {
        permitIds.delete(permitId)
        if (permitIds.size === 0) this.#inFlight.delete(rateLimitId)
        this.#report(rateLimitId, toReport(permitId, epoch, update))
      },
    }
  }

  #extendLeases (): void {
    for (const [rateLimitId, permitIds] of this.#inFlight) {
      this.#redis.script('extend-rate-limit', [redisKeys(rateLimitId)[1]], [this.#leaseMs, limits.rateLimit.redisTtlMs, ...permitIds]).catch(() => {})
    }
  }

  /** Nobody waits for it. What can't be said now is kept until the store is back. */
  #report (rateLimitId: number, report: PendingReport): void {
    this.#send(rateLimitId, report).catch(() => {
      const pending = this.#pendingReports.get(rateLimitId)
      if (pending === undefined && this.#pendingReports.size >= limits.rateLimit.companiesMax) return
      this.#pendingReports.set(rateLimitId, pending === undefined ? report : mergeReports(report, pending))
    })
  }

  #flush (): void {
    const pending = [...this.#pendingReports]
    this.#pendingReports.clear()
    for (const [rateLimitId, report] of pending) this.#report(rateLimitId, report)
  }

  /** What is written late is told as it stands then. */
  #send (rateLimitId: number, { permitIds, epoch, hasResponse, countedRequests, reportedWindow, throttle }: PendingReport): Promise<unknown> {
    const leftMs = (atMs = 0) => Math.max(0, atMs - Date.now())
    const resetMs = leftMs(reportedWindow?.resetAtMs)
    return this.#redis.script('release-rate-limit', redisKeys(rateLimitId), [
      epoch, hasResponse ? '1' : '0', countedRequests, resetMs > 0 ? reportedWindow?.name ?? '' : '', reportedWindow?.remaining ?? 0, resetMs, leftMs(throttle?.endsAtMs), throttle?.reason ?? '', limits.rateLimit.redisTtlMs, ...permitIds,
    ])
  }
}

const redisKeys = (rateLimitId: number): [known: string, underWay: string] => [`allowance:{${rateLimitId}}`, `under-way:{${rateLimitId}}`]

function toReport (permitId: string, epoch: number, { hasResponse, mayBeCounted, reportedWindow, throttle }: RateLimitUpdate): PendingReport {
  const endedAtMs = Date.now()
  return {
    permitIds: [permitId],
    epoch,
    hasResponse,
    countedRequests: mayBeCounted && reportedWindow === undefined ? 1 : 0,
    reportedWindow: reportedWindow && { name: reportedWindow.name, remaining: reportedWindow.remaining, resetAtMs: Math.ceil(endedAtMs + reportedWindow.resetMs) },
    throttle: throttle && { reason: throttle.reason, endsAtMs: Math.ceil(endedAtMs + throttle.durationMs) },
    endedAtMs,
  }
}

/** It is the latest that counts; requests whose places are not given back lose them with their lease. */
function mergeReports (one: PendingReport, other: PendingReport): PendingReport {
  const [earlier, later] = one.endedAtMs <= other.endedAtMs ? [one, other] : [other, one]
  return {
    permitIds: [...later.permitIds, ...earlier.permitIds].slice(0, limits.rateLimit.releasedPermitsMax),
    epoch: Math.max(earlier.epoch, later.epoch),
    hasResponse: earlier.hasResponse || later.hasResponse,
    countedRequests: later.reportedWindow === undefined ? earlier.countedRequests + later.countedRequests : later.countedRequests,
    reportedWindow: later.reportedWindow ?? earlier.reportedWindow,
    throttle: later.throttle ?? earlier.throttle,
    endedAtMs: later.endedAtMs,
  }
}
