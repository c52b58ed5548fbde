/**
 * Manages the idempotency key of the form. The key stays the same after a double click, a lost response or a reload of
 * the page, until the form changes or Procore refuses it. It is stored until the tab is closed.
 */
import { createIdempotencyKey } from '../../../client/client.ts'

export interface Submission {
  idempotencyKey: string
  /** The submitted form: another fingerprint needs another key. */
  fingerprint: string
  avatarName: string | undefined
  /** Whether it was sent and the page has no response yet. */
  isInFlight: boolean
}

const submissionStorageKey = 'new-user-submission'

export function buildSubmission (
  user: object, avatar: File | undefined, companyId: number, isEnforced: boolean
): Submission {
  const avatarInfo = avatar === undefined ? null : [avatar.name, avatar.size, avatar.lastModified]
  const fingerprint = JSON.stringify([companyId, isEnforced, user, avatarInfo])
  const previous = loadSubmission()
  const isUnchanged = previous?.fingerprint === fingerprint
  const idempotencyKey = isUnchanged ? previous.idempotencyKey : createIdempotencyKey()
  return { idempotencyKey, fingerprint, avatarName: avatar?.name, isInFlight: true }
}

export function loadSubmission (): Submission | undefined {
  const stored = sessionStorage.getItem(submissionStorageKey)
  const submission: unknown = stored === null ? undefined : JSON.parse(stored)
  return isSubmission(submission) ? submission : undefined
}

function isSubmission (value: unknown): value is Submission {
  return typeof value === 'object' && value !== null &&
    'idempotencyKey' in value && typeof value.idempotencyKey === 'string' &&
    'fingerprint' in value && typeof value.fingerprint === 'string' &&
    (!('avatarName' in value) || typeof value.avatarName === 'string') &&
    'isInFlight' in value && typeof value.isInFlight === 'boolean'
}

export function saveSubmission (submission: Submission): void {
  sessionStorage.setItem(submissionStorageKey, JSON.stringify(submission))
}

export const clearSubmission = () => sessionStorage.removeItem(submissionStorageKey)
