/** Shows a person with the picture, which the service fetches, because the page has no Procore credentials. */
import {
  isFailure, type CallOptions, type Client, type Failure, type User,
} from '../../../client/client.ts'
import { createElement, getElement } from './dom.ts'

/** The known properties of a person who is not loaded yet. */
export interface PersonState {
  id: number
  is_active: boolean
}

const panel = getElement('person', HTMLElement)
const details = getElement('person-details', HTMLElement)
const picture = getElement('person-picture', HTMLImageElement)
const initials = getElement('person-initials', HTMLElement)
/** Aborts the calls for the person that is being loaded. */
let abortController = new AbortController()

export function initPerson (): void {
  // Browsers cannot render every image type that Procore accepts.
  picture.addEventListener('error', () => setPictureVisible(false))
}

export function hidePerson (): void {
  abortController.abort()
  panel.hidden = true
}

export const focusPerson = (): void => panel.focus()

/** Never rejects: an error is shown instead of the person. */
export async function showPerson (client: Client, companyId: number, person: PersonState): Promise<void> {
  abortController.abort()
  const { signal } = abortController = new AbortController()
  const content = await loadPerson(client, companyId, person, { signal }).catch(describeError)
  if (signal.aborted) return
  URL.revokeObjectURL(picture.src)
  if (content.avatar === undefined) picture.removeAttribute('src')
  else picture.src = URL.createObjectURL(content.avatar)
  setPictureVisible(content.avatar !== undefined)
  initials.textContent = content.initials
  details.replaceChildren(...content.details)
  panel.hidden = false
}

function setPictureVisible (isVisible: boolean): void {
  picture.hidden = !isVisible
  initials.hidden = isVisible
}

interface PersonContent {
  avatar: Blob | undefined
  initials: string
  details: readonly Node[]
}

async function loadPerson (
  client: Client, companyId: number, person: PersonState, call: CallOptions
): Promise<PersonContent> {
  const user = await findUser(client, companyId, person, call)
  // Without the URL of an avatar there is none, and the request would only be a 404.
  const hasAvatar = typeof user?.avatar === 'string'
  const avatar = hasAvatar ? await client.userAvatar(companyId, person.id, call).catch(throwUnlessFailure) : undefined
  const names = [user?.first_name, user?.last_name].filter(name => typeof name === 'string')
  return {
    avatar: isFailure(avatar) ? undefined : avatar?.data,
    initials: user?.initials ?? (names.map(name => name.charAt(0)).join('') || '?'),
    details: [
      createElement('p', { className: 'name' }, user?.name ?? `No. ${person.id}`),
      createElement('p', { className: 'faint' }, user?.job_title ?? 'No job title'),
      createElement('p', {}, user?.email_address ?? 'No e-mail address'),
      createElement('p', { className: 'faint' }, `Id ${person.id}, ${person.is_active ? 'active' : 'inactive'}`),
      ...isFailure(avatar) ? [createElement('p', { className: 'faint' }, `No picture: ${avatar.message}`)] : [],
    ],
  }
}

/** Returns a failure, so that a person is shown even if the picture cannot be. */
function throwUnlessFailure (error: unknown): Failure {
  if (isFailure(error)) return error
  throw error
}

/** Procore documents only a list that has inactive users. */
async function findUser (
  client: Client, companyId: number, { id, is_active: isActive }: PersonState, call: CallOptions
): Promise<User | undefined> {
  if (isActive) return (await client.showUser(companyId, id, call)).data
  for await (const { data } of client.inactiveUserPages(companyId, { per_page: 100 }, call)) {
    const user = data.find(user => user.id === id)
    if (user !== undefined) return user
  }
  return undefined
}

function describeError (error: unknown): PersonContent {
  const message = error instanceof Error ? error.message : String(error)
  return { avatar: undefined, initials: '?', details: [createElement('p', {}, message)] }
}
