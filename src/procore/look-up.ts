/**
 * Finds out what became of a create whose answer was lost: whether the lists in which it would stand hold a record that was made
 * soon after it was sent and agrees with it. It asks Procore through what it is given.
 */
import type { Answer } from './answer.ts'
import { dateSeconds } from './clock.ts'

/** What is looked for. */
export interface Wanted {
  /** Paths with their queries, looked at in turn. */
  lists: readonly string[]
  /** The field whose value must be exactly the same. */
  by: string
  /** All fields that were sent. */
  values: ReadonlyMap<string, unknown>
  /** Where a list shows a field that it does not show under its own name. */
  shownAt: Readonly<Record<string, readonly string[]>>
}

/** What was seen: the record, none, another one with the same key, or no list that could be read. */
export type Finding = { kind: 'found', record: Json } | { kind: 'absent' } | { kind: 'other' } | { kind: 'unread' }

type Json = Record<string, unknown>

/**
 * Judges one list. `agoMs` is how long before its answer began the create was sent, `windowMs` how long after that Procore may have made
 * something of it. One of several records of the same name is nobody's for sure, and what is not on this page may be on another.
 */
export function findIn ({ status, body, headers, atMs }: Answer, { by, values, shownAt }: Wanted, agoMs: number, windowMs: number): Finding {
  const list = status === 200 ? parseList(body) : undefined
  if (list === undefined) return { kind: 'unread' }
  const sinceSeconds = dateSeconds(headers, atMs) - agoMs / 1000
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
    const shown = (shownAt[name] ?? [name]).reduce<unknown>((holder, key) => isObject(holder) ? holder[key] : undefined, record)
    if (shown !== undefined && String(shown ?? '') !== String(value)) return false
  }
  return true
}

function parseList (body: Buffer): Json[] | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return Array.isArray(value) ? value.filter(isObject) : undefined
  } catch {
    return undefined
  }
}

function isObject (value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
