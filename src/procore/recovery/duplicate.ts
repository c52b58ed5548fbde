/**
 * Interprets the rejection of a create whose id in the system of origin this service generated. Procore keeps these ids
 * unique, so it rejects a repeat even if the store of the idempotency keys was lost. The record then exists.
 */
import { Problem } from '../../server/problem.ts'
import { parseMessages } from '../error-messages.ts'
import { lookupDetails } from '../problem-details.ts'
import type { UpstreamRejection, UpstreamResult } from '../result.ts'
import { toRecovered, type LookupCriteria, type LookupResult } from './lookup.ts'

/**
 * What Procore says about the create. `certain`: its generated id is taken, so an earlier request with the same
 * idempotency key made a record. `possible`: another value is taken, perhaps by that record.
 */
export type Duplicate = 'certain' | 'possible'

/** Returns undefined if Procore rejected the create for another reason, or if its id was not generated. */
export function classifyDuplicate (
  { status, body }: UpstreamRejection, { originField, generatedOriginIds, values, matchField }: LookupCriteria
): Duplicate | undefined {
  if (originField === undefined || values.has(originField) || generatedOriginIds.length === 0) return undefined
  if (status !== 409 && status !== 422) return undefined
  const takenFields = parseMessages(body)
    .filter(({ message }) => status === 409 || takenMessage.test(message))
    .map(({ field }) => field === undefined ? undefined : getLastName(field))
  if (takenFields.includes(originField)) return 'certain'
  const isPossible = status === 409 || takenFields.some(name => name === undefined || name === matchField)
  return isPossible ? 'possible' : undefined
}

/** How Procore says that another record has the value. */
export const takenMessage = /\b(?:taken|exists?|already|unique|duplicate)\b/i

/** Procore names a field with or without its record: `user.origin_id`, `user[origin_id]` or `origin_id`. */
export const getLastName = (field: string) => field.split(/[.[\]]/).findLast(name => name !== '')

/**
 * Returns the record that an earlier request with the same idempotency key made, if it agrees with this request. If the
 * lookup failed, the outcome of that request is unknown, unless the duplicate may be a record of another one.
 */
export function interpretDuplicate (
  lookupResult: LookupResult, duplicate: Duplicate, criteria: LookupCriteria, rejection: UpstreamRejection
): UpstreamResult {
  switch (lookupResult.kind) {
    case 'found': return toRecovered(lookupResult.record, criteria)
    case 'differs':
      return {
        kind: 'failure',
        error: new Problem('idempotency_key_reused', 'This idempotency key was used for a different request.', {
          outcome: 'rejected',
        }),
      }
    case 'not_found':
      if (duplicate === 'possible') return rejection
      break
    case 'ambiguous':
    case 'inconclusive':
      if (duplicate === 'possible') return { ...rejection, lookupFailed: true }
  }
  const detail = 'Procore has a record of an earlier request with this idempotency key.'
  const problem = new Problem('procore_bad_response', detail, { outcome: 'unknown' })
  // The record exists, so `not_found` would suggest that it may be created again.
  const lookup = lookupResult.kind === 'not_found' ? 'inconclusive' : lookupResult.kind
  return { kind: 'failure', error: problem.withExtras({ lookup }, lookupDetails[lookupResult.kind]) }
}
