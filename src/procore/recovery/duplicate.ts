/**
 * Interprets the rejection of a create whose id in the system of origin this service generated. Procore keeps these ids
 * unique, so it rejects a repeat even if the store of the idempotency keys was lost. The record then exists.
 */
import { Problem } from '../../server/problem.ts'
import { lookupDetails } from '../problem-details.ts'
import type { UpstreamRejection, UpstreamResult } from '../result.ts'
import { isAbout, parseConflict, type ConflictMessage } from './conflict.ts'
import { toRecovered, type LookupCriteria, type LookupResult } from './lookup.ts'

/**
 * What Procore says about the create. `certain`: its generated id is taken, so an earlier request with the same
 * idempotency key made a record. `possible`: another value is taken, perhaps by that record.
 */
export type Duplicate = 'certain' | 'possible'

/** Returns undefined if Procore rejected the create for another reason, or if its id was not generated. */
export function classifyDuplicate (
  rejection: UpstreamRejection, criteria: LookupCriteria
): Duplicate | undefined {
  const { originField, generatedOriginIds, values } = criteria
  if (originField === undefined || values.has(originField) || generatedOriginIds.length === 0) return undefined
  const messages = parseConflict(rejection)
  if (messages === undefined) return undefined
  const isLikely = (message: ConflictMessage) => rejection.status === 409 || message.saysTaken
  if (messages.some(message => isLikely(message) && isAbout(message, originField, criteria))) return 'certain'
  // Any taken value may be one of that record, also a value that Procore derives from those that were sent.
  return rejection.status === 409 || messages.some(isLikely) ? 'possible' : undefined
}

// The earlier request may have had these values: the record may have been changed since.
const differsDetail = 'Procore has a record of an earlier request with this idempotency key, and it has other values.'

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
        error: new Problem('idempotency_key_reused', differsDetail, { outcome: 'rejected' }),
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
