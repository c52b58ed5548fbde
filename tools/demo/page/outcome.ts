/** Describes the outcome of a create to the user. */
import { NetworkError, ProblemError, type ApiResponse, type User } from '../../../client/client.ts'
import { getElement, createElement } from './dom.ts'

interface OutcomeView {
  /** The outcome or problem code of the service. */
  badge: string
  tone: 'good' | 'bad' | 'warning'
  title: string
  detail: string
}

const safeRetryHint = 'Sending the same form again is safe: ' +
  'the idempotency key is the same, so it never creates a second user.'

export function describeSuccess ({ data, isRecovered, isReplayed }: ApiResponse<User>): OutcomeView {
  const userText = `${data.name ?? 'The user'} has the id ${data.id}`
  if (isRecovered) {
    const detail = `Procore's response was lost, so the service looked the user up: ${userText}.`
    return { badge: 'recovered', tone: 'good', title: 'Created, and found by a lookup.', detail }
  }
  if (isReplayed) {
    const detail = `The idempotency key was used before, so the first response was replayed: ${userText}.`
    return { badge: 'replayed', tone: 'good', title: 'Created once.', detail }
  }
  return { badge: 'created', tone: 'good', title: 'Created.', detail: `${userText}.` }
}

export function describeFailure (failure: unknown): OutcomeView {
  if (failure instanceof ProblemError) return describeProblem(failure)
  if (failure instanceof NetworkError) return describeUnknown(failure.message)
  return { badge: 'failed', tone: 'bad', title: 'The page failed.', detail: String(failure) }
}

function describeProblem ({ outcome, detail, code, errors }: ProblemError): OutcomeView {
  if (code === 'procore_unauthorized') {
    return {
      badge: outcome ?? code,
      tone: 'bad',
      title: "Procore refuses the service's credentials; no user was created.",
      detail: `${detail} The service keeps trying, so send it again in a moment.`,
    }
  }
  switch (outcome) {
    case 'rejected':
      return { badge: outcome, tone: 'bad', title: 'Procore refused the request; no user was created.', detail }
    case 'not_sent': {
      const hint = 'It is safe to send it again.'
      return { badge: outcome, tone: 'bad', title: 'Not sent: no user was created.', detail: `${detail} ${hint}` }
    }
    case 'unknown': return describeUnknown(detail)
    default: {
      const title = errors.length === 1
        ? 'One input is not valid; nothing was sent to Procore.'
        : 'Nothing was sent to Procore.'
      return { badge: code, tone: 'bad', title, detail }
    }
  }
}

function describeUnknown (detail: string): OutcomeView {
  return {
    badge: 'unknown',
    tone: 'warning',
    title: 'It is unknown whether the user was created.',
    detail: `${detail} ${safeRetryHint}`,
  }
}

/** How much of a create was sent. A retry after an unknown outcome counts as fully sent: an earlier attempt was. */
export interface SendProgress {
  extent: 'nothing' | 'some' | 'all'
  percent: number
}

/** The service never completes a truncated form; a form that was fully sent may have created the user. */
export function describeCancellation ({ extent, percent }: SendProgress): OutcomeView {
  const cancelled = { badge: 'cancelled', tone: 'warning' } as const
  switch (extent) {
    case 'nothing': return { ...cancelled, title: 'Cancelled.', detail: 'Nothing had been sent.' }
    case 'some': {
      const detail = 'The form was sent in part, so Procore does not create a user.'
      return { ...cancelled, title: `Cancelled at ${percent} %.`, detail }
    }
    case 'all': {
      const detail = `The form was fully sent, so the user may exist. ${safeRetryHint}`
      return { ...cancelled, title: 'Cancelled.', detail }
    }
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
