/**
 * Counts the requests of each caller, as pure functions of a plain value. Procore counts two windows but reports only
 * one of them, so both are counted here. A *period* corresponds to one of the windows: it has an end of its own until
 * Procore reports that window.
 */
import { Type, type Static } from '@sinclair/typebox'
import { limits } from '../../config/limits.ts'

const PeriodSchema = Type.Object({
  endsAtMs: Type.Number(),
  /** Name of the window that the period corresponds to; empty until Procore reports it. */
  windowName: Type.String(),
  /** Limit of the latest window of this length that Procore reported. */
  limit: Type.Union([Type.Number(), Type.Null()]),
  total: Type.Number(),
  /** The callers with the most requests. */
  byCaller: Type.Record(Type.String(), Type.Number()),
})

type Period = Static<typeof PeriodSchema>

/** The names are a format that Redis stores. */
export const UsageSchema = Type.Object({ short: PeriodSchema, hour: PeriodSchema })

export type Usage = Static<typeof UsageSchema>

const noRequests: Period = { endsAtMs: 0, windowName: '', limit: null, total: 0, byCaller: {} }

export const initialUsage: Usage = { short: noRequests, hour: noRequests }

/** The lengths of Procore's two windows. */
const lengthsMs: Record<keyof Usage, number> = { short: 10_000, hour: 3_600_000 }

/** Resets are reported in whole seconds. */
const resetToleranceMs = 2_000

/** @param change number of requests; negative if they were counted but not sent */
export function addRequests (usage: Usage, callerId: string, change: number, nowMs: number): Usage {
  return {
    short: addToPeriod(startPeriod(usage.short, lengthsMs.short, nowMs), callerId, change),
    hour: addToPeriod(startPeriod(usage.hour, lengthsMs.hour, nowMs), callerId, change),
  }
}

/** A window that Procore reported. */
interface KnownWindow { name: string, remaining: number, limit: number | null, resetAtMs: number }

/** Aligns the period of a window with what Procore reports. */
export function alignPeriod (usage: Usage, window: KnownWindow, nowMs: number): Usage {
  const { name, remaining, limit, resetAtMs } = window
  if (resetAtMs <= nowMs) return usage
  const isHour = usage.hour.windowName === name || resetAtMs - nowMs > lengthsMs.short + resetToleranceMs
  const span = isHour ? 'hour' : 'short'
  const period = startPeriod(usage[span], lengthsMs[span], nowMs)
  if (period.windowName === name) return usage
  // The period may have begun before the window: then it has counted too many requests.
  const total = limit === null ? period.total : Math.min(period.total, Math.max(0, limit - remaining))
  const aligned = { ...period, total, endsAtMs: resetAtMs, windowName: name, limit: limit ?? period.limit }
  return { ...usage, [span]: aligned }
}

/** Returns how many requests remain in the hour by our own count; undefined while its limit is unknown. */
export function remainingInHour (
  usage: Usage, windows: readonly KnownWindow[], nowMs: number
): KnownWindow | undefined {
  const { windowName: name, total, endsAtMs: resetAtMs } = usage.hour
  const limit = getHourLimit(usage, windows, nowMs)
  return limit === null ? undefined : { name, limit, remaining: limit - total, resetAtMs }
}

/**
 * Returns the limit of the hour that is enforced; null if it is unknown. Procore reports the hour only when it is
 * closer to its limit than the short window. That is too late for shares and reserves, so the limit of an earlier hour
 * or a usual one is assumed before. If Procore allows more than that, the assumption is wrong.
 */
function getHourLimit ({ short, hour }: Usage, windows: readonly KnownWindow[], nowMs: number): number | null {
  if (hour.windowName !== '' || short.limit === null) return hour.limit
  const limit = hour.limit ?? limits.rateLimit.assumedHourLimit
  const reported = windows.find(({ name, resetAtMs }) => name === short.windowName && resetAtMs > nowMs)
  return hour.total + (reported?.remaining ?? 0) > limit ? null : limit
}

/** Requests of the current hour. */
export interface HourUsage {
  used: number
  limit: number
}

/**
 * Returns how much of the hour is used, by our own count or by what Procore reported, whichever is more. Procore
 * reports the hour only when it is closer to its limit than the short window.
 */
export function getHourUsage (
  { hour }: Usage, windows: readonly KnownWindow[], nowMs: number
): HourUsage | undefined {
  if (hour.endsAtMs <= nowMs) return undefined
  const limit = hour.limit ?? limits.rateLimit.assumedHourLimit
  const reported = windows.find(({ name }) => name === hour.windowName)
  const reportedUse = reported?.limit == null ? 0 : reported.limit - reported.remaining
  return { used: Math.max(hour.total, reportedUse), limit }
}

/**
 * Returns when the caller may send again, because it has used its share of a period in which others were active;
 * undefined if it may send now.
 */
export function shareExhaustedUntilMs (
  usage: Usage, windows: readonly KnownWindow[], callerId: string, nowMs: number
): number | undefined {
  const hour = { ...usage.hour, limit: getHourLimit(usage, windows, nowMs) }
  const exhausted = [usage.short, hour].filter(({ endsAtMs, limit, byCaller }) => {
    if (endsAtMs <= nowMs || limit === null) return false
    const share = Math.max(1, Math.floor(limit * limits.rateLimit.callerShare))
    return countOf(byCaller, callerId) >= share && hasOthers(byCaller, callerId)
  })
  return exhausted.length === 0 ? undefined : Math.max(...exhausted.map(({ endsAtMs }) => endsAtMs))
}

/** Starts a new period if this one has ended. The limit of the window is assumed to stay the same. */
function startPeriod (period: Period, lengthMs: number, nowMs: number): Period {
  return period.endsAtMs > nowMs ? period : { ...noRequests, limit: period.limit, endsAtMs: nowMs + lengthMs }
}

/**
 * The sum of all counts stays the total: a caller that cannot be counted in addition replaces the one with the fewest
 * requests and takes over its count (the Space-Saving algorithm). A count is thus too high by at most the total divided
 * by `limits.rateLimit.countedCallersMax`, and no caller that has sent more than that remains uncounted.
 */
function addToPeriod (period: Period, callerId: string, change: number): Period {
  const { byCaller } = period
  const total = Math.max(0, period.total + change)
  const isCounted = Object.hasOwn(byCaller, callerId)
  // The caller was replaced after its request was counted.
  if (!isCounted && change < 0) return { ...period, total }
  if (isCounted || Object.keys(byCaller).length < limits.rateLimit.countedCallersMax) {
    const count = Math.max(0, countOf(byCaller, callerId) + change)
    return { ...period, total, byCaller: { ...byCaller, [callerId]: count } }
  }
  const [replaced, ...others] = Object.entries(byCaller).sort(([, a], [, b]) => a - b)
  return { ...period, total, byCaller: Object.fromEntries([...others, [callerId, (replaced?.[1] ?? 0) + change]]) }
}

function hasOthers (byCaller: Period['byCaller'], callerId: string): boolean {
  return Object.entries(byCaller).some(([id, count]) => id !== callerId && count > 0)
}

/** The id may be the name of a property that all objects inherit. */
function countOf (byCaller: Period['byCaller'], callerId: string): number {
  return Object.hasOwn(byCaller, callerId) ? byCaller[callerId] ?? 0 : 0
}
