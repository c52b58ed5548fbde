/**
 * Finds out what became of a create whose answer was lost: whether the lists in which it would stand hold a record that was made
 * soon after it was sent and agrees with it. It asks Procore through what it is given, and tells no caller.
 */
import { isJsonObject } from '../../util/is-json-object.ts'
import { limits } from '../../config/limits.ts'
import { partOf } from '../../telemetry/request-record.ts'
import type { Answer } from '../exchange.ts'
import { dateSeconds } from '../http-dates.ts'
import type { ApiCall, Sender } from '../send.ts'

/** What is looked for. */
export interface Wanted {
  /** Paths with their queries, looked at in turn; asked for when it is looked, which it seldom is. */
  lists (): readonly string[]
  /** The field whose value must be exactly the same. */
  by: string
  /** All fields that were sent; of a stream they are known at its end. */
  values: ReadonlyMap<string, unknown>
  /** Where a list shows a field that it does not show under its own name. */
  shownAt: Readonly<Record<string, readonly string[]>>
}

/** When Procore may have made it. */
export interface Span {
  /** When the create was sent, by our own clock. */
  sentAtMs: number
  /** How long after that. */
  windowMs: number
}

/** What was seen: the record, none, another one with the same key, or no list that could be read. */
export type Finding = { kind: 'found', record: Json } | { kind: 'absent' } | { kind: 'other' } | { kind: 'unread' }

type Json = Record<string, unknown>

/** For whom it is looked: the waits end when the caller leaves, and the trail counts the lists that were asked for. */
export type LookUpCall = Pick<ApiCall, 'companyId' | 'trail' | 'caller'>

/**
 * Looks through the lists until the record is found, all together for `limits.lookup.timeoutMs`. What could not be read outweighs what was not
 * found elsewhere. It does not fail: whatever goes wrong is a list that could not be read.
 * @param waitMs longest wait for the allowance, of each list
 */
export async function lookUp (sender: Sender, call: LookUpCall, wanted: Wanted, span: Span, waitMs: number): Promise<Finding> {
  const { promise: tooLate, resolve } = Promise.withResolvers<Finding>()
  const timer = setTimeout(resolve, limits.lookup.timeoutMs, { kind: 'unread' })
  const deadlineMs = Date.now() + limits.lookup.timeoutMs
  let finding: Finding = { kind: 'absent' }
  for (const path of wanted.lists()) {
    const leftMs = deadlineMs - Date.now()
    if (leftMs <= 0) break
    const next = await Promise.race([tooLate, look(sender, call, path, wanted, span, { waitMs: Math.min(waitMs, leftMs), timeoutMs: leftMs })])
    if (next.kind === 'found' || (next.kind !== 'absent' && finding.kind !== 'unread')) finding = next
    if (next.kind === 'found') break
  }
  clearTimeout(timer)
  return finding
}

async function look (sender: Sender, { companyId, trail, caller }: LookUpCall, path: string, wanted: Wanted, span: Span, waits: { waitMs: number, timeoutMs: number }): Promise<Finding> {
  if (caller.gone) return { kind: 'unread' }
  trail.lookUps = (trail.lookUps ?? 0) + 1
  try {
    const { result } = await sender.send({ method: 'GET', path, companyId, body: null, ...waits, trail: partOf(trail), caller })
    return result.kind === 'answer' ? findIn(result, wanted, span) : { kind: 'unread' }
  } catch {
    // No allowance, no token, a host that is down: it could not be looked up, which is all that the caller needs to know.
    return { kind: 'unread' }
  }
}

/** Judges one list. One of several records of the same name is nobody's for sure, and what is not on this page may be on another. */
function findIn ({ status, body, headers, atMs }: Answer, { by, values, shownAt }: Wanted, { sentAtMs, windowMs }: Span): Finding {
  const list = status === 200 ? parseList(body) : undefined
  if (list === undefined) return { kind: 'unread' }
  const sinceSeconds = dateSeconds(headers, atMs) - (atMs - sentAtMs) / 1000
  const same = list.filter(record => record[by] === values.get(by))
  const [record, ...others] = same
  if (record === undefined) return { kind: Number(headers['total'] ?? 0) > list.length ? 'unread' : 'absent' }
  const atSeconds = createdSeconds(record)
  const isInTime = atSeconds >= Math.floor(sinceSeconds) && atSeconds <= sinceSeconds + 1 + windowMs / 1000
  return others.length === 0 && isInTime && agrees(record, values, shownAt) ? { kind: 'found', record } : { kind: 'other' }
}

/** Procore tells points in time in whole seconds. */
function createdSeconds (record: Json): number {
  const createdAt = record['created_at']
  return typeof createdAt === 'string' ? Math.floor(Date.parse(createdAt) / 1000) : NaN
}

/** In every field that was sent and that the list shows. */
function agrees (record: Json, values: ReadonlyMap<string, unknown>, shownAt: Wanted['shownAt']): boolean {
  for (const [name, value] of values) {
    const shown = (shownAt[name] ?? [name]).reduce<unknown>((holder, key) => isJsonObject(holder) ? holder[key] : undefined, record)
    if (shown !== undefined && String(shown ?? '') !== String(value)) return false
  }
  return true
}

function parseList (body: Buffer): Json[] | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return Array.isArray(value) ? value.filter(isJsonObject) : undefined
  } catch {
    return undefined
  }
}
