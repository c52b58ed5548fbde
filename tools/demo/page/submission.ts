/**
 * The Idempotency-Key of one form: the same for every time that it is submitted, after a double click, a lost answer or a reload of the
 * page, until anything in it changes or Procore refuses it. It is kept for as long as the tab is open.
 */
import { randomKey } from '../../../client/client.ts'

export interface Submission {
  key: string
  /** What was submitted, so that a change is known. */
  form: string
  avatarName: string | undefined
  /** Sent, and the page has not heard what became of it. */
  isUnderWay: boolean
}

const name = 'new-user-submission'

export function submissionOf (user: object, avatar: File | undefined, companyId: number, isEnforced: boolean): Submission {
  const form = JSON.stringify([companyId, isEnforced, user, avatar === undefined ? null : [avatar.name, avatar.size, avatar.lastModified]])
  const known = latestSubmission()
  return { key: known?.form === form ? known.key : randomKey(), form, avatarName: avatar?.name, isUnderWay: true }
}

export function latestSubmission (): Submission | undefined {
  const kept = sessionStorage.getItem(name)
  return kept === null ? undefined : JSON.parse(kept)
}

export const keepSubmission = (submission: Submission) => sessionStorage.setItem(name, JSON.stringify(submission))

export const forgetSubmission = () => sessionStorage.removeItem(name)
