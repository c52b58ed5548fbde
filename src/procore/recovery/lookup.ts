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
import { isLastPage } from '../page-links.ts'
import { lookupDetails } from '../problem-details.ts'
import type { UpstreamResult, UpstreamSuccess } from '../result.ts'
import type { UpstreamCall, UpstreamSender } from '../send.ts'
import { monotonicNowMs } from '../../util/clock.ts'

/** How to find a record. */
export interface LookupCriteria {
  /** Returns the lists to search, in order, with the query in their paths. A function, because lookups are rare. */
  buildLists (query: ReadonlyMap<string, unknown>): ReadonlyArray<Pick<ListSearch, 'path' | 'isActive'>>
  /** The field that most lookups search by. */
  matchField: string
  /** The field that Procore keeps unique within a company and filters by. If it was sent, it is searched by first. */
  originField: string | undefined
  /** Ids of this create that this service may have sent in `originField`, if the caller sent none. */
  generatedOriginIds: readonly string[]
  /** The fields that are compared as e-mail addresses. */
  emailFields: ReadonlySet<string>
  /** All fields that were sent. The values of a stream are complete only at its end. */
  values: ReadonlyMap<string, unknown>
  /** Paths of the fields that a list shows under another name. */
  fieldPaths: Readonly<Record<string, readonly string[]>>
  /** Whether the caller may see whole records. Otherwise it gets the id, the time and the fields that it sent. */
  mayShowRecord: boolean
  /** Whether the caller may learn which record already has a value that it sent. */
  mayShowExisting: boolean
  /** Counts bytes of a list in memory for the caller. Throws a Problem at the limit. */
  countListBytes (bytes: number): void
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
 * The record, no record, a record that may be of another request, or a list that could not be read. A record with an id
 * that this service generated is of the same idempotency key for certain. If it `differs`, a sent field has another
 * value.
 */
export type LookupResult =
  | { kind: 'found', record: JsonObject, hasGeneratedId: boolean }
  | { kind: 'differs' }
  | { kind: 'not_found' }
  | { kind: 'ambiguous' }
  | { kind: 'inconclusive' }

export type JsonObject = Record<string, unknown>

/** The request that needs a lookup: its signal ends the waits, and its record counts the lookups. */
export interface LookupContext extends Pick<UpstreamCall, 'companyId' | 'callerId' | 'signal'> {
  record: RequestRecord
}

/** One list to search for a record with this value. */
interface ListSearch {
  path: string
  /** Whether the records of the list are active. */
  isActive: boolean
  field: string
  value: string
}

/**
 * Returns the searches by one of the fields that identify a record.
 * @param page which part of the lists to read
 */
export function searchBy (
  field: string, value: string, criteria: LookupCriteria, page: ReadonlyMap<string, unknown> = new Map()
): ListSearch[] {
  const filter = field === criteria.originField ? `filters[${field}]` : 'filters[search]'
  return criteria.buildLists(new Map([[filter, value], ...page])).map(list => ({ ...list, field, value }))
}

/** Returns the searches by the id in the system of origin, if one was sent, and then those by `matchField`. */
export function buildSearches (criteria: LookupCriteria): ListSearch[] {
  const { matchField, values } = criteria
  return [...buildOriginSearches(criteria), ...searchBy(matchField, normalizeText(values.get(matchField)), criteria)]
}

/** Returns the searches by the id in the system of origin. Each state key has generated another one. */
export function buildOriginSearches (criteria: LookupCriteria): ListSearch[] {
  const { originField: field, values } = criteria
  if (field === undefined) return []
  const sentIds = [normalizeText(values.get(field))].filter(value => value !== '')
  const originIds = values.has(field) ? sentIds : criteria.generatedOriginIds
  return originIds.flatMap(value => searchBy(field, value, criteria))
}

/** What to search for, and where. */
export interface Lookup {
  criteria: LookupCriteria
  searches: readonly ListSearch[]
  creationWindow: CreationWindow
  /** Longest wait for the rate limit, for each list. */
  maxWaitMs: number
}

/**
 * Searches the lists until the record is found, for at most `limits.lookup.timeoutMs` in total. A list that could not
 * be read outweighs lists without the record. Never rejects: an error counts as a list that could not be read.
 */
export async function lookUp (
  sender: UpstreamSender, call: LookupContext, { criteria, searches, creationWindow, maxWaitMs }: Lookup
): Promise<LookupResult> {
  const { timeoutMs } = limits.lookup
  const listRequest = { timeoutMs, rateLimitMaxWaitMs: maxWaitMs, purpose: 'change' } as const
  let result: LookupResult = { kind: 'not_found' }
  for await (const { search, response } of searchLists(sender, call, searches, listRequest)) {
    const listResult = response === undefined
      ? inconclusive
      : matchRecord(response, search, criteria, creationWindow)
    const isFound = listResult.kind === 'found' || listResult.kind === 'differs'
    if (isFound || (listResult.kind !== 'not_found' && result.kind !== 'inconclusive')) result = listResult
    if (isFound) break
  }
  return result
}

const inconclusive: LookupResult = { kind: 'inconclusive' }

/** How lists are requested: for how long, and for whom. */
interface ListRequest extends Pick<UpstreamCall, 'purpose' | 'isSentOnce' | 'countResponseBytes'> {
  /** All lists together. */
  timeoutMs: number
  /** Longest wait for the rate limit, for each list. */
  rateLimitMaxWaitMs: number
}

/** Requests one list after the other, until the time is over or the reader of the responses has seen enough. */
export async function * searchLists (
  sender: UpstreamSender, call: LookupContext, searches: readonly ListSearch[], listRequest: ListRequest
): AsyncGenerator<{ search: ListSearch, response: UpstreamResponse | undefined }, void> {
  const { timeoutMs, rateLimitMaxWaitMs } = listRequest
  const { promise: timedOut, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(resolve, timeoutMs)
  const deadlineMs = monotonicNowMs() + timeoutMs
  try {
    for (const search of searches) {
      const leftMs = deadlineMs - monotonicNowMs()
      if (leftMs <= 0) return
      const timeLimits = { rateLimitMaxWaitMs: Math.min(rateLimitMaxWaitMs, leftMs), timeoutMs: leftMs }
      const searched = requestList(sender, call, search.path, { ...listRequest, ...timeLimits })
      yield { search, response: await Promise.race([timedOut, searched]) }
    }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Returns undefined if there is no response: the rate limit is exhausted, there is no access token, or the host is
 * down. The caller learns only that the lookup failed.
 */
async function requestList (
  sender: UpstreamSender,
  { companyId, callerId, record, signal }: LookupContext,
  path: string,
  listRequest: ListRequest
): Promise<UpstreamResponse | undefined> {
  if (signal.aborted) return undefined
  record.lookupCount = (record.lookupCount ?? 0) + 1
  const sent = await sender.send({
    method: 'GET',
    path,
    companyId,
    callerId,
    body: null,
    isIdempotent: false,
    expectation: expectJson,
    ...listRequest,
    record: childRecord(record),
    signal,
  }).catch(() => undefined)
  return sent?.response
}

/** Returns the record that a lookup found, or the problem with the lookup's result added. */
export function interpretLookup (
  lookupResult: LookupResult, criteria: LookupCriteria, unknownProblem: Problem
): UpstreamResult {
  if (lookupResult.kind === 'found') return toRecovered(lookupResult.record, criteria)
  // Procore may have changed a value, so the record may be of this request.
  const kind = lookupResult.kind === 'differs' ? 'ambiguous' : lookupResult.kind
  return { kind: 'failure', error: unknownProblem.withExtras({ lookup: kind }, lookupDetails[kind]) }
}

/** Returns the record as the response to the create that made it. */
export function toRecovered (record: JsonObject, criteria: LookupCriteria): UpstreamSuccess {
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
  response: UpstreamResponse,
  { field, value }: ListSearch,
  criteria: LookupCriteria,
  { sentAtMs, endsAtMs }: CreationWindow
): LookupResult {
  const list = parseList(response)
  if (list === undefined) return inconclusive
  const { headers, receivedAtMs } = response
  const sentAtSeconds = responseDateSeconds(headers, receivedAtMs) - (receivedAtMs - sentAtMs) / 1000
  const [record, ...others] = list.filter(candidate => isSameValue(candidate, field, value, criteria))
  if (record === undefined) return isLastPage(headers, list.length) ? { kind: 'not_found' } : inconclusive
  if (others.length > 0) return { kind: 'ambiguous' }
  const isMatch = fieldsMatch(record, criteria)
  const originId = getGeneratedOriginId(record, criteria)
  if (originId === 'same') return isMatch ? { kind: 'found', record, hasGeneratedId: true } : { kind: 'differs' }
  const createdAtSeconds = parseCreatedAtSeconds(record)
  const latestSeconds = sentAtSeconds + 1 + (endsAtMs - sentAtMs) / 1000
  const isInTime = createdAtSeconds >= Math.floor(sentAtSeconds) && createdAtSeconds <= latestSeconds
  const isCertain = isMatch && isInTime && originId === 'none'
  return isCertain ? { kind: 'found', record, hasGeneratedId: false } : { kind: 'ambiguous' }
}

/**
 * Compares the id of a record with those that this service may have sent for the create. `none`: it sent none, or the
 * list does not show the field.
 */
function getGeneratedOriginId (record: JsonObject, criteria: LookupCriteria): 'none' | 'same' | 'other' {
  const { originField, generatedOriginIds, values } = criteria
  const listedId = originField === undefined ? undefined : getListedValue(record, originField, criteria)
  const wasSent = originField !== undefined && !values.has(originField) && generatedOriginIds.length > 0
  if (!wasSent || listedId === undefined) return 'none'
  return generatedOriginIds.includes(normalizeText(listedId)) ? 'same' : 'other'
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

export function isSameValue (record: JsonObject, name: string, value: unknown, criteria: LookupCriteria): boolean {
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

/** Returns the records of a list, or undefined if the response is not a list. */
export function parseList ({ status, body }: UpstreamResponse): JsonObject[] | undefined {
  if (status !== 200 || body === undefined) return undefined
  const value = parseJson(body.toString('utf8'))
  return Array.isArray(value) ? value.filter(isJsonObject) : undefined
}
