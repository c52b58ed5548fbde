/** Offers to open or reactivate the person because of whom Procore rejected a create. */
import { isFailure, ProblemError, type Client, type User } from '../../../client/client.ts'
import { getElement } from './dom.ts'
import { showOutcome } from './outcome.ts'
import { focusPerson, showPerson, type PersonState } from './person.ts'

const offer = getElement('existing', HTMLElement)
const openButton = getElement('existing-open', HTMLButtonElement)
const reactivateButton = getElement('existing-reactivate', HTMLButtonElement)
let offered: PersonState | undefined

export function initExistingPerson (client: Client, companyId: number): void {
  openButton.addEventListener('click', async () => {
    if (offered === undefined) return
    await showPerson(client, companyId, offered)
    focusPerson()
  })
  reactivateButton.addEventListener('click', async () => {
    if (offered === undefined) return
    const { id } = offered
    // A second click does nothing, and the button keeps the focus.
    offered = undefined
    if (!await reactivate(client, companyId, id)) return offerExistingPerson({ id, is_active: false })
    const person = { id, is_active: true }
    offerExistingPerson(person)
    await showPerson(client, companyId, person)
    focusPerson()
  })
}

/** @param person undefined if there is none to offer */
export function offerExistingPerson (person: PersonState | undefined): void {
  offered = person
  offer.hidden = person === undefined
  reactivateButton.hidden = person?.is_active !== false
}

/** Shows the outcome, and returns whether the person is active. */
async function reactivate (client: Client, companyId: number, id: number): Promise<boolean> {
  try {
    const { name } = await reactivateOrShow(client, companyId, id)
    const detail = `${name ?? 'The person'} is active again.`
    showOutcome({ badge: 'reactivated', tone: 'good', title: 'Reactivated.', detail })
    return true
  } catch (error) {
    const [title, badge] = isFailure(error) && error.outcome === 'unknown'
      ? ['It is unknown whether the person was reactivated. Reactivating again is safe.', error.outcome]
      : ['Not reactivated.', 'failed']
    showOutcome({ badge, tone: 'bad', title, detail: error instanceof Error ? error.message : String(error) })
    return false
  }
}

/**
 * Reactivates the person. Procore rejects that with 404 if the person is active already, for example because an earlier
 * attempt was carried out but its response was lost.
 */
async function reactivateOrShow (client: Client, companyId: number, id: number): Promise<User> {
  try {
    return (await client.reactivateUser(companyId, id)).data
  } catch (error) {
    if (!(error instanceof ProblemError) || error.procore?.status !== 404) throw error
    const { data } = await client.showUser(companyId, id)
    if (data.is_active !== true) throw error
    return data
  }
}
