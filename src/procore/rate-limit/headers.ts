/**
 * What an answer of Procore's tells of its allowance (Procore: Rate Limiting): what remains until when, and whether to come back later.
 * It is pure: it knows no other answer.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Answer, ExchangeResult } from '../exchange.ts'
import { resetSeconds, retryAfterSeconds } from '../http-dates.ts'

/** Why Procore said to come back later. */
export type BlockKind = 'rate' | 'unavailable'

/** Procore is to be left alone for so long. */
export interface Block {
  kind: BlockKind
  ms: number
}

/** Procore has two windows and tells of the one nearer to its end; by what names it in the headers. */
export interface ToldWindow {
  name: string
  remaining: number
  /** Of how many, if it says so. */
  limit: number | undefined
  resetMs: number
}

/** What the end of a request told. */
export interface AllowanceNews {
  isAnswered: boolean
  /** Procore may have counted it. */
  isCounted: boolean
  told: ToldWindow | undefined
  block: Block | undefined
}

/** @param result nothing when the request did not leave */
export function newsOf (result: ExchangeResult | undefined, nowMs: number): AllowanceNews {
  if (result?.kind !== 'answer') return { isAnswered: false, isCounted: result?.sent === true, told: undefined, block: undefined }
  // A 429 says by its own headers when to come again, and blocks.
  return { isAnswered: true, isCounted: true, told: result.status === 429 ? undefined : toldOf(result.headers, nowMs), block: blockOf(result, nowMs) }
}

/** The shorter of Procore's two windows, for a 429 that does not say when to come again. */
const shortWindowSeconds = 10

/** 429, or 503 with Retry-After: Procore says so before it acts. */
export function blockOf ({ status, headers }: Answer, nowMs: number): Block | undefined {
  const seconds = retryAfterSeconds(headers, nowMs)
  if (status !== 429 && (status !== 503 || seconds === undefined)) return undefined
  return { kind: status === 429 ? 'rate' : 'unavailable', ms: Math.max(1, seconds ?? resetSeconds(headers, nowMs) ?? shortWindowSeconds) * 1000 }
}

function toldOf (headers: IncomingHttpHeaders, nowMs: number): ToldWindow | undefined {
  const remaining = headers['x-rate-limit-remaining']
  const seconds = resetSeconds(headers, nowMs)
  if (typeof remaining !== 'string' || !/^\d{1,12}$/.test(remaining) || seconds === undefined || seconds <= 0) return undefined
  const limit = headers['x-rate-limit-limit']
  return { name: `${String(limit)} ${String(headers['x-rate-limit-reset'])}`, remaining: Number(remaining), limit: typeof limit === 'string' && /^\d{1,12}$/.test(limit) ? Number(limit) : undefined, resetMs: seconds * 1000 }
}
