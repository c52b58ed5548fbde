/** Reads from the rejection of a create which of its values other records have. */
import { parseMessages, type ProcoreMessage } from '../error-messages.ts'
import type { UpstreamRejection } from '../result.ts'
import type { LookupCriteria } from './lookup.ts'

/** A message of a rejection that may be about a value of another record. */
export interface ConflictMessage extends ProcoreMessage {
  /** Its words say that another record has the value. */
  saysTaken: boolean
}

const takenWords = /\b(?:taken|exists?|already|unique|duplicate)\b/i

/** Returns undefined if the status of the rejection is not one of conflicts. A 409 may have other reasons. */
export function parseConflict ({ status, body }: UpstreamRejection): ConflictMessage[] | undefined {
  if (status !== 409 && status !== 422) return undefined
  return parseMessages(body).map(message => ({ ...message, saysTaken: takenWords.test(message.message) }))
}

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
