/** Describes the outcome of a create to the user. */
import {
  describeFailure, isFailure, ProblemError, type ApiResponse, type Failure, type User,
} from '../../../client/client.ts'
import { getElement, createElement } from './dom.ts'

export interface OutcomeView {
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

export function describeError (error: unknown, canCreateAnyway: boolean): OutcomeView {
  if (!isFailure(error)) return { badge: 'failed', tone: 'bad', title: 'The page failed.', detail: String(error) }
  const details = error instanceof ProblemError ? [error.detail] : []
  return {
    badge: error.outcome ?? (error instanceof ProblemError ? error.code : error.reason),
    tone: error.outcome === 'unknown' ? 'warning' : 'bad',
    title: describeFailure(error),
    detail: [...details, ...describeNextStep(error, canCreateAnyway)].join(' '),
  }
}

function describeNextStep (failure: Failure, canCreateAnyway: boolean): string[] {
  if (failure.outcome === 'unknown') {
    return [canCreateAnyway ? 'If nobody else can find the user either, create the user anyway.' : safeRetryHint]
  }
  if (!(failure instanceof ProblemError)) return []
  if (failure.code === 'procore_unauthorized') return ['The service keeps trying, so send it again in a moment.']
  // The same invalid input would only be refused again.
  const hasFieldErrors = failure.errors.length > 0 || Object.keys(failure.errorsByField).length > 0
  return failure.outcome === 'not_sent' && !hasFieldErrors ? ['It is safe to send it again.'] : []
}

export function describeInvalidAvatar (): OutcomeView {
  const detail = 'Choose another image, or create the user without one.'
  return { badge: 'not_sent', tone: 'bad', title: 'The avatar cannot be used. Nothing was sent.', detail }
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
