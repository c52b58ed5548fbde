/**
 * Looks for the record of a create whose response was lost: a record in Procore's lists that was created soon after the
 * request was sent and matches the values in it.
 */
import { isJsonObject } from '../../util/is-json-object.ts'
import { parseJson } from '../../util/parse-json.ts'
import { limits } from '../../config/limits.ts'
import { childRecord, type RequestRecord } from '../../telemetry/request-record.ts'
import type { Problem } from '../../server/problem.ts'
import { expectJson, getRecordId } from '../classify.ts'
import { normalizeEmail, normalizeText } from './normalize.ts'
import type { UpstreamResponse } from '../exchange.ts'
import { responseDateSeconds } from '../http-dates.ts'
import { lookupDetails } from '../problem-details.ts'
import type { UpstreamResult } from '../result.ts'
import type { UpstreamCall, UpstreamSender } from '../send.ts'
import { monotonicNowMs } from '../../util/clock.ts'

/** How to find a record. */
export interface LookupCriteria {
  /** Returns the lists to search, in order, as paths with one filter. A function, because lookups are rare. */
  buildListPaths (filter: string, value: string): readonly string[]
  /** The field that most lookups search by. */
  matchField: string
  /** The field that Procore keeps unique within a company and filters by. If it was sent, it is searched by first. */
  originField: string | undefined
  /** The fields that are compared as e-mail addresses. */
  emailFields: ReadonlySet<string>
  /** All fields that were sent. The values of a stream are complete only at its end. */
  values: ReadonlyMap<string, unknown>
  /** Paths of the fields that a list shows under another name. */
  fieldPaths: Readonly<Record<string, readonly string[]>>
  /** Whether the caller may see whole records. Otherwise it gets the id, the time and the fields that it sent. */
  mayShowRecord: boolean
}

/** The part of the criteria that identifies the record of a create. */
export type CreateIdentity = Pick<LookupCriteria, 'matchField' | 'emailFields' | 'values'>

/** The time in which Procore may have created the record, by our own clock. */
export interface CreationWindow {
  /** When the create was sent. */
  sentAtMs: number
  /** The last moment at which Procore may have created the record. */
  endsAtMs: number
}

/**
 * The record, no record, a record with the same `matchField` that may be of another request, or a list that could not
 * be read.
 */
export type LookupResult =
  | { kind: 'found', record: JsonObject }
  | { kind: 'notFound' }
  | { kind: 'ambiguous' }
  | { kind: 'inconclusive' }

type JsonObject = Record<string, unknown>

/** The request that needs a lookup: its signal ends the waits, and its record counts the lookups. */
export interface LookupContext extends Pick<UpstreamCall, 'companyId' | 'callerId' | 'signal'> {
  record: RequestRecord
}

/** One list to search for a record with this value. */
interface ListSearch {
  path: string
  field: string
  value: string
}

/** Returns the searches by the id in the system of origin, if one was sent, and then those by `matchField`. */
function buildSearches (criteria: LookupCriteria): ListSearch[] {
  const { originField, matchField, values } = criteria
  const searchBy = (field: string, filter: string): ListSearch[] => {
    const value = normalizeText(values.get(field))
    return value === '' ? [] : criteria.buildListPaths(filter, value).map(path => ({ path, field, value }))
  }
  const byOrigin = originField === undefined ? [] : searchBy(originField, `filters[${originField}]`)
  return [...byOrigin, ...searchBy(matchField, 'filters[search]')]
}

/**
 * Searches the lists until the record is found, for at most `limits.lookup.timeoutMs` in total. A list that could not
 * be read outweighs lists without the record. Never rejects: an error counts as a list that could not be read.
 * @param maxWaitMs longest wait for the rate limit, for each list
 */
export async function lookUp (
  sender: UpstreamSender,
  call: LookupContext,
  criteria: LookupCriteria,
  creationWindow: CreationWindow,
  maxWaitMs: number
): Promise<LookupResult> {
  const { promise: timedOut, resolve } = Promise.withResolvers<LookupResult>()
  const timer = setTimeout(resolve, limits.lookup.timeoutMs, { kind: 'inconclusive' })
  const deadlineMs = monotonicNowMs() + limits.lookup.timeoutMs
  let result: LookupResult = { kind: 'notFound' }
  for (const search of buildSearches(criteria)) {
    const leftMs = deadlineMs - monotonicNowMs()
    if (leftMs <= 0) break
    const timeLimits = { rateLimitMaxWaitMs: Math.min(maxWaitMs, leftMs), timeoutMs: leftMs }
    const searched = searchList(sender, call, search, timeLimits).then(response => {
      return response === undefined ? inconclusive : matchRecord(response, search, criteria, creationWindow)
    })
    const listResult = await Promise.race([timedOut, searched])
    const isFound = listResult.kind === 'found'
    if (isFound || (listResult.kind !== 'notFound' && result.kind !== 'inconclusive')) result = listResult
    if (isFound) break
  }
  clearTimeout(timer)
  return result
}

const inconclusive: LookupResult = { kind: 'inconclusive' }

/**
 * Returns undefined if there is no response: the rate limit is exhausted, there is no access token, or the host is
 * down. The caller learns only that the lookup failed.
 */
async function searchList (
  sender: UpstreamSender,
  { companyId, callerId, record, signal }: LookupContext,
  { path }: ListSearch,
  timeLimits: Pick<UpstreamCall, 'rateLimitMaxWaitMs' | 'timeoutMs'>
): Promise<UpstreamResponse | undefined> {
  if (signal.aborted) return undefined
  record.lookupCount = (record.lookupCount ?? 0) + 1
  const sent = await sender.send({
    method: 'GET',
    path,
    companyId,
    callerId,
    purpose: 'change',
    body: null,
    isIdempotent: false,
    expectation: expectJson,
    ...timeLimits,
    record: childRecord(record),
    signal,
  }).catch(() => undefined)
  return sent?.response
}

/** Returns the record that a lookup found, or the problem with the lookup's result added. */
export function interpretLookup (
  lookupResult: LookupResult, criteria: LookupCriteria, unknownProblem: Problem
): UpstreamResult {
  if (lookupResult.kind !== 'found') {
    return { kind: 'failure', error: unknownProblem.withExtras({}, lookupDetails[lookupResult.kind]) }
  }
  const { record } = lookupResult
  return {
    kind: 'success',
    status: 201,
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(criteria.mayShowRecord ? record : pickSentFields(record, criteria))),
    recordId: getRecordId(record),
    recovered: true,
  }
}

/**
 * Returns the id, the time and the fields that were sent. That the record was made by this request is likely but not
 * certain, so a caller that may not see other records gets nothing that it does not know.
 */
function pickSentFields (record: JsonObject, { values, fieldPaths }: LookupCriteria): JsonObject {
  const picked: JsonObject = { id: record['id'], created_at: record['created_at'] }
  for (const name of values.keys()) {
    const path = fieldPaths[name] ?? [name]
    const value = getValue(record, path)
    if (value !== undefined) setValue(picked, path, value)
  }
  return picked
}

function setValue (parent: JsonObject, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    parent[name] = value
    return
  }
  const child = isJsonObject(parent[name]) ? parent[name] : {}
  parent[name] = child
  setValue(child, rest, value)
}

/**
 * Matches the records of one list. If several have the value, none can be attributed to the request. If the list has
 * more pages, the record may be on another one.
 */
function matchRecord (
  { status, body, headers, receivedAtMs }: UpstreamResponse,
  { field, value }: ListSearch,
  criteria: LookupCriteria,
  { sentAtMs, endsAtMs }: CreationWindow
): LookupResult {
  const list = status === 200 && body !== undefined ? parseList(body) : undefined
  if (list === undefined) return inconclusive
  const sentAtSeconds = responseDateSeconds(headers, receivedAtMs) - (receivedAtMs - sentAtMs) / 1000
  const [record, ...others] = list.filter(candidate => isSameValue(candidate, field, value, criteria))
  if (record === undefined) return { kind: Number(headers['total'] ?? 0) > list.length ? 'inconclusive' : 'notFound' }
  const createdAtSeconds = parseCreatedAtSeconds(record)
  const latestSeconds = sentAtSeconds + 1 + (endsAtMs - sentAtMs) / 1000
  const isInTime = createdAtSeconds >= Math.floor(sentAtSeconds) && createdAtSeconds <= latestSeconds
  const isMatch = others.length === 0 && isInTime && fieldsMatch(record, criteria)
  return isMatch ? { kind: 'found', record } : { kind: 'ambiguous' }
}

/** Procore's timestamps are in whole seconds. Returns NaN if there is none. */
function parseCreatedAtSeconds (record: JsonObject): number {
  const createdAt = record['created_at']
  return typeof createdAt === 'string' ? Math.floor(Date.parse(createdAt) / 1000) : NaN
}

/** Whether all fields that were sent, and that the list shows, are equal. */
function fieldsMatch (record: JsonObject, criteria: LookupCriteria): boolean {
  return [...criteria.values].every(([name, value]) => {
    return getListedValue(record, name, criteria) === undefined || isSameValue(record, name, value, criteria)
  })
}

function isSameValue (record: JsonObject, name: string, value: unknown, criteria: LookupCriteria): boolean {
  const listedValue = getListedValue(record, name, criteria)
  return normalizeField(name, listedValue, criteria) === normalizeField(name, value, criteria)
}

function normalizeField (name: string, value: unknown, { emailFields }: Pick<LookupCriteria, 'emailFields'>): string {
  return emailFields.has(name) ? normalizeEmail(value) : normalizeText(value)
}

function getListedValue (record: JsonObject, name: string, { fieldPaths }: LookupCriteria): unknown {
  return getValue(record, fieldPaths[name] ?? [name])
}

/** Returns the normalized value that identifies the record of a create. */
export function getMatchValue (criteria: CreateIdentity): string {
  return normalizeField(criteria.matchField, criteria.values.get(criteria.matchField), criteria)
}

function getValue (record: JsonObject, path: readonly string[]): unknown {
  return path.reduce<unknown>((parent, name) => isJsonObject(parent) ? parent[name] : undefined, record)
}

function parseList (body: Buffer): JsonObject[] | undefined {
  const value = parseJson(body.toString('utf8'))
  return Array.isArray(value) ? value.filter(isJsonObject) : undefined
}
