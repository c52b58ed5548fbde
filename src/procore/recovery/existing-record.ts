/**
 * Finds the record because of which Procore rejected a create: one that already has a value which must be unique. The
 * caller receives its id and state only, from which it knows what it can do instead.
 */
import { limits } from '../../config/limits.ts'
import type { ExistingRecord } from '../../server/problem.ts'
import { isLastPage } from '../page-links.ts'
import type { UpstreamRejection } from '../result.ts'
import type { UpstreamSender } from '../send.ts'
import { isAbout, parseConflict } from './conflict.ts'
import {
  isSameValue, parseList, searchBy, searchLists, type JsonObject, type LookupContext, type LookupCriteria,
} from './lookup.ts'
import { normalizeText } from './normalize.ts'

/**
 * Returns the rejection with the existing record. It is left out if the caller may not show records, and in any doubt:
 * a list cannot be read or has more pages, or several records have the value.
 */
export async function withExisting (
  sender: UpstreamSender,
  call: LookupContext & { lookupCriteria?: LookupCriteria | undefined },
  rejection: UpstreamRejection
): Promise<UpstreamRejection> {
  const { lookupCriteria } = call
  if (lookupCriteria?.mayShowExisting !== true || rejection.lookupFailed === true) return rejection
  const takenFields = findTakenFields(rejection, lookupCriteria)
  const existing = await findRecord(sender, call, lookupCriteria, takenFields)
  return existing === undefined ? rejection : { ...rejection, existing }
}

/** Searches by the first field. If Procore names both fields, the record must have both values. */
async function findRecord (
  sender: UpstreamSender, call: LookupContext, criteria: LookupCriteria, takenFields: readonly string[]
): Promise<ExistingRecord | undefined> {
  const [searchField] = takenFields
  const value = normalizeText(criteria.values.get(searchField ?? ''))
  if (searchField === undefined || value === '') return undefined
  const searches = searchBy(searchField, value, criteria, new Map([['per_page', limits.lookup.listItemsMax]]))
  const lists = searchLists(sender, call, searches, {
    timeoutMs: limits.lookup.existingTimeoutMs,
    rateLimitMaxWaitMs: limits.lookup.existingRateLimitMaxWaitMs,
    // The part of the rate limit that is reserved for changes is not for details of a rejection.
    purpose: 'read',
    isSentOnce: true,
    countResponseBytes: criteria.countListBytes,
  })
  for await (const { search, response } of lists) {
    const list = response === undefined ? undefined : parseList(response)
    if (response === undefined || list === undefined || !isLastPage(response.headers, list.length)) return undefined
    const [record, ...others] = list.filter(candidate => hasSentValue(candidate, searchField, criteria))
    if (record === undefined) continue
    const isMatch = others.length === 0 && takenFields.every(field => hasSentValue(record, field, criteria))
    return isMatch ? toExistingRecord(record, search.isActive) : undefined
  }
  return undefined
}

function hasSentValue (record: JsonObject, field: string, criteria: LookupCriteria): boolean {
  return isSameValue(record, field, criteria.values.get(field), criteria)
}

/** A record that does not show its state has that of its list. The id must be one that the caller can send. */
function toExistingRecord (
  { id, is_active: isActive }: JsonObject, isListActive: boolean
): ExistingRecord | undefined {
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 1) return undefined
  return { id, is_active: typeof isActive === 'boolean' ? isActive : isListActive }
}

/** Returns the sent fields whose values Procore says that another record has. */
function findTakenFields (rejection: UpstreamRejection, criteria: LookupCriteria): string[] {
  const { matchField, originField, values } = criteria
  const messages = parseConflict(rejection)?.filter(({ saysTaken }) => saysTaken) ?? []
  return [matchField, originField].filter(field => field !== undefined).filter(field => {
    return values.has(field) && messages.some(message => isAbout(message, field, criteria))
  })
}
