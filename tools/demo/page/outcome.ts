/** What became of a create, in words. */
import { NetworkError, ProblemError, type ApiResponse, type User } from '../../../client/client.ts'
import { getElement, createElement } from './dom.ts'

interface OutcomeView {
  /** The word that the service has for it. */
  badge: string
  tone: 'good' | 'bad' | 'odd'
  title: string
  detail: string
}

const safeRetryHint = 'Sending the same form again is safe: it goes under the same key and never makes a second user.'

export function describeSuccess ({ data, isRecovered, isReplayed }: ApiResponse<User>): OutcomeView {
  const userText = `${data.name ?? 'The user'} has the id ${data.id}`
  if (isRecovered) return { badge: 'recovered', tone: 'good', title: 'Created, and found again.', detail: `Procore's answer was lost, so the service looked in the directory: ${userText}.` }
  if (isReplayed) return { badge: 'replayed', tone: 'good', title: 'Created, once.', detail: `The key was known: this is the first answer again, and ${userText}.` }
  return { badge: 'created', tone: 'good', title: 'Created.', detail: `${userText}.` }
}

export function describeFailure (failure: unknown): OutcomeView {
  if (failure instanceof ProblemError) return describeProblem(failure)
  if (failure instanceof NetworkError) return { badge: 'unknown', tone: 'odd', title: 'Nobody can tell.', detail: `${failure.message} ${safeRetryHint}` }
  return { badge: 'failed', tone: 'bad', title: 'This page failed.', detail: String(failure) }
}

function describeProblem ({ outcome, detail, code, errors }: ProblemError): OutcomeView {
  if (code === 'procore_unauthorized') return { badge: outcome ?? code, tone: 'bad', title: 'Procore does not let the service in; nobody was created.', detail: `${detail} It goes on trying by itself, so send it again in a moment.` }
  switch (outcome) {
    case 'rejected': return { badge: outcome, tone: 'bad', title: 'Procore refused it, and created nobody.', detail }
    case 'not_sent': return { badge: outcome, tone: 'bad', title: 'Not sent: nobody was created.', detail: `${detail} It is safe to send it again.` }
    case 'unknown': return { badge: outcome, tone: 'odd', title: 'Nobody can tell whether the user was created.', detail: `${detail} ${safeRetryHint}` }
    default: return { badge: code, tone: 'bad', title: errors.length === 1 ? 'One input is at fault; nothing was sent to Procore.' : 'Nothing was sent to Procore.', detail }
  }
}

/** How much of a create left the page: of a repeat after an outcome that nobody knows, all of it did before. */
export interface SendProgress {
  extent: 'nothing' | 'some' | 'all'
  percent: number
}

/** A form that is cut off is never made complete by the service; what had left whole may have been served. */
export function describeCancellation ({ extent, percent }: SendProgress): OutcomeView {
  const cancelled = { badge: 'cancelled', tone: 'odd' } as const
  switch (extent) {
    case 'nothing': return { ...cancelled, title: 'Cancelled.', detail: 'Nothing had been sent.' }
    case 'some': return { ...cancelled, title: `Cancelled at ${percent} %.`, detail: 'Procore gets no user from a form that is cut off.' }
    case 'all': return { ...cancelled, title: 'Cancelled.', detail: `It had been sent, so the user may be there. ${safeRetryHint}` }
  }
}

export function showOutcome ({ badge, tone, title, detail }: OutcomeView): void {
  const region = getElement('outcome', HTMLElement)
  region.dataset['tone'] = tone
  region.replaceChildren(
    createElement('p', {}, createElement('span', { className: 'badge' }, badge), createElement('strong', {}, title)),
    createElement('p', { className: 'detail' }, detail)
  )
}

export function showStatus (text: string): void {
  const region = getElement('outcome', HTMLElement)
  delete region.dataset['tone']
  region.replaceChildren(createElement('p', {}, text))
}
