/**
 * Finds out what became of a create whose answer was lost: whether the lists in which it would stand hold a record that was made
 * soon after it was sent and agrees with it. It asks Procore through what it is given, and tells no caller.
 */
import { isJsonObject } from '../../util/is-json-object.ts'
import { limits } from '../../config/limits.ts'
import { childRecord } from '../../telemetry/request-record.ts'
import type { UpstreamResponse } from '../exchange.ts'
import { responseDateSeconds } from '../http-dates.ts'
import type { UpstreamCall, UpstreamSender } from '../send.ts'

/** What is looked for. */
export interface LookupCriteria {
  /** Paths with their queries, looked at in turn; asked for when it is looked, which it seldom is. */
  listPaths (): readonly string[]
  /** The field whose value must be exactly the same. */
  matchField: string
  /** All fields that were sent; of a stream they are known at its end. */
  values: ReadonlyMap<string, unknown>
  /** Where a list shows a field that it does not show under its own name. */
  fieldPaths: Readonly<Record<string, readonly string[]>>
}

/** When Procore may have made it. */
export interface CreationWindow {
  /** When the create was sent, by our own clock. */
  sentAtMs: number
  /** How long after that. */
  maxAgeMs: number
}

/** What was seen: the record, none, another one with the same key, or no list that could be read. */
export type LookupResult = { kind: 'found', record: JsonObject } | { kind: 'notFound' } | { kind: 'ambiguous' } | { kind: 'inconclusive' }

type JsonObject = Record<string, unknown>

/** For whom it is looked: the waits end when the caller leaves, and the trail counts the lists that were asked for. */
export type LookupContext = Pick<UpstreamCall, 'companyId' | 'record' | 'signal'>

/**
 * Looks through the lists until the record is found, all together for `limits.lookup.timeoutMs`. What could not be read outweighs what was not
 * found elsewhere. It does not fail: whatever goes wrong is a list that could not be read.
 * @param maxWaitMs longest wait for the allowance, of each list
 */
export async function lookUp (sender: UpstreamSender, call: LookupContext, criteria: LookupCriteria, creationWindow: CreationWindow, maxWaitMs: number): Promise<LookupResult> {
  const { promise: timedOut, resolve } = Promise.withResolvers<LookupResult>()
  const timer = setTimeout(resolve, limits.lookup.timeoutMs, { kind: 'inconclusive' })
  const deadlineMs = Date.now() + limits.lookup.timeoutMs
  let result: LookupResult = { kind: 'notFound' }
  for (const path of criteria.listPaths()) {
    const leftMs = deadlineMs - Date.now()
    if (leftMs <= 0) break
    const listResult = await Promise.race([timedOut, searchList(sender, call, path, criteria, creationWindow, { rateLimitMaxWaitMs: Math.min(maxWaitMs, leftMs), timeoutMs: leftMs })])
    if (listResult.kind === 'found' || (listResult.kind !== 'notFound' && result.kind !== 'inconclusive')) result = listResult
    if (listResult.kind === 'found') break
  }
  clearTimeout(timer)
  return result
}

async function searchList (sender: UpstreamSender, { companyId, record, signal }: LookupContext, path: string, criteria: LookupCriteria, creationWindow: CreationWindow, timeLimits: { rateLimitMaxWaitMs: number, timeoutMs: number }): Promise<LookupResult> {
  if (signal.aborted) return { kind: 'inconclusive' }
  record.lookupCount = (record.lookupCount ?? 0) + 1
  try {
    const { result } = await sender.send({ method: 'GET', path, companyId, body: null, ...timeLimits, record: childRecord(record), signal })
    return result.kind === 'response' ? matchRecord(result, criteria, creationWindow) : { kind: 'inconclusive' }
  } catch {
    // No allowance, no token, a host that is down: it could not be looked up, which is all that the caller needs to know.
    return { kind: 'inconclusive' }
  }
}

/** Judges one list. One of several records of the same name is nobody's for sure, and what is not on this page may be on another. */
function matchRecord ({ status, body, headers, receivedAtMs }: UpstreamResponse, { matchField, values, fieldPaths }: LookupCriteria, { sentAtMs, maxAgeMs }: CreationWindow): LookupResult {
  const list = status === 200 ? parseList(body) : undefined
  if (list === undefined) return { kind: 'inconclusive' }
  const sinceSeconds = responseDateSeconds(headers, receivedAtMs) - (receivedAtMs - sentAtMs) / 1000
  const candidates = list.filter(record => record[matchField] === values.get(matchField))
  const [record, ...others] = candidates
  if (record === undefined) return { kind: Number(headers['total'] ?? 0) > list.length ? 'inconclusive' : 'notFound' }
  const atSeconds = parseCreatedAtSeconds(record)
  const isInTime = atSeconds >= Math.floor(sinceSeconds) && atSeconds <= sinceSeconds + 1 + maxAgeMs / 1000
  return others.length === 0 && isInTime && fieldsMatch(record, values, fieldPaths) ? { kind: 'found', record } : { kind: 'ambiguous' }
}

/** Procore tells points in time in whole seconds. */
function parseCreatedAtSeconds (record: JsonObject): number {
  const createdAt = record['created_at']
  return typeof createdAt === 'string' ? Math.floor(Date.parse(createdAt) / 1000) : NaN
}

/** In every field that was sent and that the list shows. */
function fieldsMatch (record: JsonObject, values: ReadonlyMap<string, unknown>, fieldPaths: LookupCriteria['fieldPaths']): boolean {
  for (const [name, value] of values) {
    const listedValue = (fieldPaths[name] ?? [name]).reduce<unknown>((holder, key) => isJsonObject(holder) ? holder[key] : undefined, record)
    if (listedValue !== undefined && String(listedValue ?? '') !== String(value)) return false
  }
  return true
}

function parseList (body: Buffer): JsonObject[] | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return Array.isArray(value) ? value.filter(isJsonObject) : undefined
  } catch {
    return undefined
  }
}
