/** What became of a create, in words. */
import { NetworkError, ProblemError, type Answer, type User } from '../../../client/client.ts'
import { find, make } from './dom.ts'

interface Told {
  /** The word that the service has for it. */
  badge: string
  tone: 'good' | 'bad' | 'odd'
  title: string
  detail: string
}

const sameKey = 'Sending the same form again is safe: it goes under the same key and never makes a second user.'

export function tellAnswer ({ data, isRecovered, isReplayed }: Answer<User>): Told {
  const who = `${data.name ?? 'The user'} has the id ${data.id}`
  if (isRecovered) return { badge: 'recovered', tone: 'good', title: 'Created, and found again.', detail: `Procore's answer was lost, so the service looked in the directory: ${who}.` }
  if (isReplayed) return { badge: 'replayed', tone: 'good', title: 'Created, once.', detail: `The key was known: this is the first answer again, and ${who}.` }
  return { badge: 'created', tone: 'good', title: 'Created.', detail: `${who}.` }
}

export function tellFailure (failure: unknown): Told {
  if (failure instanceof ProblemError) return tellProblem(failure)
  if (failure instanceof NetworkError) return { badge: 'unknown', tone: 'odd', title: 'Nobody can tell.', detail: `${failure.message} ${sameKey}` }
  return { badge: 'failed', tone: 'bad', title: 'This page failed.', detail: String(failure) }
}

function tellProblem ({ outcome, detail, code, errors }: ProblemError): Told {
  if (code === 'procore_unauthorized') return { badge: outcome ?? code, tone: 'bad', title: 'Procore does not let the service in; nobody was created.', detail: `${detail} It goes on trying by itself, so send it again in a moment.` }
  switch (outcome) {
    case 'rejected': return { badge: outcome, tone: 'bad', title: 'Procore refused it, and created nobody.', detail }
    case 'not_sent': return { badge: outcome, tone: 'bad', title: 'Not sent: nobody was created.', detail: `${detail} It is safe to send it again.` }
    case 'unknown': return { badge: outcome, tone: 'odd', title: 'Nobody can tell whether the user was created.', detail: `${detail} ${sameKey}` }
    default: return { badge: code, tone: 'bad', title: errors.length === 1 ? 'One input is at fault; nothing was sent to Procore.' : 'Nothing was sent to Procore.', detail }
  }
}

/** How much of a create left the page: of a repeat after an outcome that nobody knows, all of it did before. */
export interface Sent {
  part: 'nothing' | 'some' | 'all'
  percent: number
}

/** A form that is cut off is never made complete by the service; what had left whole may have been served. */
export function tellCancel ({ part, percent }: Sent): Told {
  const cancelled = { badge: 'cancelled', tone: 'odd' } as const
  switch (part) {
    case 'nothing': return { ...cancelled, title: 'Cancelled.', detail: 'Nothing had been sent.' }
    case 'some': return { ...cancelled, title: `Cancelled at ${percent} %.`, detail: 'Procore gets no user from a form that is cut off.' }
    case 'all': return { ...cancelled, title: 'Cancelled.', detail: `It had been sent, so the user may be there. ${sameKey}` }
  }
}

export function show ({ badge, tone, title, detail }: Told): void {
  const region = find('outcome', HTMLElement)
  region.dataset['tone'] = tone
  region.replaceChildren(
    make('p', {}, make('span', { className: 'badge' }, badge), make('strong', {}, title)),
    make('p', { className: 'detail' }, detail)
  )
}

export function showWork (text: string): void {
  const region = find('outcome', HTMLElement)
  delete region.dataset['tone']
  region.replaceChildren(make('p', {}, text))
}
