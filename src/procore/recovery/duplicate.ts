/**
 * Interprets the rejection of a create whose id in the system of origin this service generated. Procore keeps these ids
 * unique, so it rejects a repeat even if the store of the idempotency keys was lost. The record then exists.
 */
import { Problem } from '../../server/problem.ts'
import { parseMessages, type ProcoreMessage } from '../error-messages.ts'
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
  { status, body }: UpstreamRejection, criteria: LookupCriteria
): Duplicate | undefined {
  const { originField, generatedOriginIds, values } = criteria
  if (originField === undefined || values.has(originField) || generatedOriginIds.length === 0) return undefined
  if (status !== 409 && status !== 422) return undefined
  const messages = parseMessages(body).filter(({ message }) => status === 409 || takenMessage.test(message))
  if (messages.some(message => isAbout(message, originField, criteria))) return 'certain'
  // Any taken value may be one of that record, also a value that Procore derives from those that were sent.
  return status === 409 || messages.length > 0 ? 'possible' : undefined
}

/** How Procore says that another record has the value. */
export const takenMessage = /\b(?:taken|exists?|already|unique|duplicate)\b/i

/** Whether a message is about the field. One about the whole record, or without a field, names it in its words. */
export function isAbout (
  { field = 'base', message }: ProcoreMessage, name: string, { emailFields }: Pick<LookupCriteria, 'emailFields'>
): boolean {
  const lastName = getLastName(field)
  if (lastName !== 'base') return lastName === name
  if (emailFields.has(name)) return /\be-?mail/i.test(message)
  return new RegExp(`\\b${name.replaceAll('_', '[ _-]?')}\\b`, 'i').test(message)
}

/** Procore names a field with or without its record: `user.origin_id`, `user[origin_id]` or `origin_id`. */
const getLastName = (field: string) => field.split(/[.[\]]/).findLast(name => name !== '')

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
