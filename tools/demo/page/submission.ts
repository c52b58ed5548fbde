/**
 * The Idempotency-Key of one form: the same for every time that it is submitted, after a double click, a lost answer or a reload of the
 * page, until anything in it changes or Procore refuses it. It is kept for as long as the tab is open.
 */
import { createIdempotencyKey } from '../../../client/client.ts'

export interface Submission {
  idempotencyKey: string
  /** What was submitted, so that a change is known. */
  fingerprint: string
  avatarName: string | undefined
  /** Sent, and the page has not heard what became of it. */
  isInFlight: boolean
}

const submissionStorageKey = 'new-user-submission'

export function buildSubmission (user: object, avatar: File | undefined, companyId: number, isEnforced: boolean): Submission {
  const fingerprint = JSON.stringify([companyId, isEnforced, user, avatar === undefined ? null : [avatar.name, avatar.size, avatar.lastModified]])
  const previous = loadSubmission()
  return { idempotencyKey: previous?.fingerprint === fingerprint ? previous.idempotencyKey : createIdempotencyKey(), fingerprint, avatarName: avatar?.name, isInFlight: true }
}

export function loadSubmission (): Submission | undefined {
  const stored = sessionStorage.getItem(submissionStorageKey)
  return stored === null ? undefined : JSON.parse(stored)
}

export const saveSubmission = (submission: Submission) => sessionStorage.setItem(submissionStorageKey, JSON.stringify(submission))

export const clearSubmission = () => sessionStorage.removeItem(submissionStorageKey)
