/**
 * Coordinates Procore's rate limit across replicas: after a request has passed the rate limiter of its replica, it
 * acquires a permit in Redis, where the state of all replicas is known. While Redis is unavailable, every permit is
 * granted.
 */
import { randomUUID } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { RateLimitUpdate, ThrottleReason } from '../procore/rate-limit/headers.ts'
import type { LeaseTiming, RedisConnection } from './redis.ts'

/**
 * A permit, or the time after which to ask again. Reasons: the rate limit is exhausted, Procore is unavailable until a
 * given time, or another request is probing the rate limit.
 */
export type Acquisition =
  | { granted: true, release: (update: RateLimitUpdate) => void }
  | { granted: false, retryAfterMs: number, reason: ThrottleReason | 'probe' }

/** A report to Redis about a request that ended, or about several requests, merged. */
interface PendingReport {
  permitIds: string[]
  epoch: number
  hasResponse: boolean
  /** Requests that Procore may have counted since it last reported the remaining number. */
  countedRequests: number
  reportedWindow: { name: string, remaining: number, resetAtMs: number } | undefined
  throttle: { reason: ThrottleReason, endsAtMs: number } | undefined
  /** End of the last of these requests. All times are by our own clock. */
  endedAtMs: number
}

/** Epoch of a permit that Redis did not grant. */
const noEpoch = -1

/**
 * Grants permits. A rate limit is identified by `rateLimitId`: the company, or one id for all companies, depending on
 * `PROCORE_RATE_LIMIT_SCOPE`.
 */
export class SharedRateLimiter {
  readonly #redis: RedisConnection
  /**
   * Permits of the requests that this replica has in flight, by `rateLimitId`. If a replica dies, the leases of its
   * permits expire, and the permits count as used.
   */
  readonly #inFlight = new Map<number, Set<string>>()
  readonly #renewalTimer: NodeJS.Timeout
  readonly #leaseMs: number
  /** Reports that could not be sent yet, merged into one for each `rateLimitId`. */
  readonly #pendingReports = new Map<number, PendingReport>()

  constructor (redis: RedisConnection, { leaseMs, leaseRenewMs }: LeaseTiming = limits.redis) {
    this.#redis = redis
    this.#leaseMs = leaseMs
    this.#renewalTimer = setInterval(() => {
      this.#extendLeases()
      this.#flush()
    }, leaseRenewMs).unref()
    redis.onRecovered(() => this.#flush())
  }

  /** Stops renewing. The leases of the permits in flight expire. */
  close (): void {
    clearInterval(this.#renewalTimer)
  }

  /** Acquires a permit. While Redis is unavailable, the permit is granted and reported to Redis later. */
  async acquire (rateLimitId: number, isBuffered: boolean): Promise<Acquisition> {
    const permitId = randomUUID()
    try {
      const { probeMs, redisTtlMs, pollMs } = limits.rateLimit
      const args = [permitId, this.#leaseMs, isBuffered ? '1' : '0', probeMs, redisTtlMs, pollMs]
      const reply = await this.#redis.script('acquire-rate-limit', redisKeys(rateLimitId), args)
      const values: readonly unknown[] = Array.isArray(reply) ? reply : []
      const [granted, value, reason] = values
      if (granted === 1) return this.#grant(rateLimitId, permitId, Number(value))
      return { granted: false, retryAfterMs: Math.max(1, Number(value)), reason: parseReason(reason) }
    } catch {
      // Redis may have run the script although its reply was lost. If it did not, the next renewal adds the permit.
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
      const [, inFlightRedisKey] = redisKeys(rateLimitId)
      const args = [this.#leaseMs, limits.rateLimit.redisTtlMs, ...permitIds]
      this.#redis.script('extend-rate-limit', [inFlightRedisKey], args).catch(() => {})
    }
  }

  /** Sends a report without waiting for it. If it cannot be sent, it is buffered until Redis is available. */
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

  /** Sends a report. Times are sent as the remaining duration, so that a report that is sent late is still correct. */
  #send (rateLimitId: number, report: PendingReport): Promise<unknown> {
    const { permitIds, epoch, hasResponse, countedRequests, reportedWindow, throttle } = report
    const remainingMs = (endsAtMs = 0) => Math.max(0, endsAtMs - Date.now())
    const resetMs = remainingMs(reportedWindow?.resetAtMs)
    return this.#redis.script('release-rate-limit', redisKeys(rateLimitId), [
      epoch,
      hasResponse ? '1' : '0',
      countedRequests,
      resetMs > 0 ? reportedWindow?.name ?? '' : '',
      reportedWindow?.remaining ?? 0,
      resetMs,
      remainingMs(throttle?.endsAtMs),
      throttle?.reason ?? '',
      limits.rateLimit.redisTtlMs,
      ...permitIds,
    ])
  }
}

/** The hash tag in braces puts both keys into one slot of a Redis Cluster. */
function redisKeys (rateLimitId: number): [state: string, inFlight: string] {
  return [`allowance:{${rateLimitId}}`, `under-way:{${rateLimitId}}`]
}

function parseReason (reason: unknown): ThrottleReason | 'probe' {
  return reason === 'unavailable' || reason === 'probe' ? reason : 'rate'
}

function toReport (permitId: string, epoch: number, update: RateLimitUpdate): PendingReport {
  const { hasResponse, mayBeCounted, reportedWindow, throttle } = update
  const endedAtMs = Date.now()
  return {
    permitIds: [permitId],
    epoch,
    hasResponse,
    countedRequests: mayBeCounted && reportedWindow === undefined ? 1 : 0,
    reportedWindow: reportedWindow && {
      name: reportedWindow.name,
      remaining: reportedWindow.remaining,
      resetAtMs: Math.ceil(endedAtMs + reportedWindow.resetMs),
    },
    throttle: throttle && { reason: throttle.reason, endsAtMs: Math.ceil(endedAtMs + throttle.durationMs) },
    endedAtMs,
  }
}

/**
 * Merges two reports; the later one takes precedence. Permits beyond the maximum are not released: their leases expire.
 */
function mergeReports (one: PendingReport, other: PendingReport): PendingReport {
  const [earlier, later] = one.endedAtMs <= other.endedAtMs ? [one, other] : [other, one]
  return {
    permitIds: [...later.permitIds, ...earlier.permitIds].slice(0, limits.rateLimit.releasedPermitsMax),
    epoch: Math.max(earlier.epoch, later.epoch),
    hasResponse: earlier.hasResponse || later.hasResponse,
    countedRequests: later.countedRequests + (later.reportedWindow === undefined ? earlier.countedRequests : 0),
    reportedWindow: later.reportedWindow ?? earlier.reportedWindow,
    throttle: later.throttle ?? earlier.throttle,
    endedAtMs: later.endedAtMs,
  }
}
