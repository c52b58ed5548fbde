/** Fills the form with a person who does not exist in the directory yet. */
import { getElement } from './dom.ts'

interface SamplePerson {
  /** By the ids of the inputs. */
  values: Readonly<Record<string, string>>
  colors: readonly [string, string]
}

const address = {
  address: '6309 Carpinteria Ave', city: 'Carpinteria', zip: '93013', country_code: 'US', state_code: 'CA',
}
const people: readonly SamplePerson[] = [
  {
    values: { first_name: 'Maria', last_name: 'Santos', job_title: 'Site Engineer', ...address },
    colors: ['#f59e0b', '#b91c1c'],
  },
  {
    values: { first_name: 'Kenji', last_name: 'Mori', job_title: 'Project Manager', ...address },
    colors: ['#38bdf8', '#4338ca'],
  },
  {
    values: { first_name: 'Amina', last_name: 'Diallo', job_title: 'Quantity Surveyor', ...address },
    colors: ['#34d399', '#0f766e'],
  },
]
let filledCount = 0

/** Dispatches the events of a person who types, so that errors, the draft and the preview follow. */
export async function fillWithSampleData (): Promise<void> {
  const person = people[filledCount++ % people.length]
  if (person === undefined) return
  const { first_name: first = '', last_name: last = '' } = person.values
  // The address must be unique in the company, also after a reload.
  const email = `${first}.${last}.${Date.now().toString(36)}@example.com`.toLowerCase()
  const phone = { business_phone: '1-805-555-0142', mobile_phone: '1-805-555-0187' }
  for (const [id, value] of Object.entries({ ...person.values, ...phone, email_address: email })) setValue(id, value)
  const transfer = new DataTransfer()
  transfer.items.add(new File([await drawPortrait(person.colors)], `${first.toLowerCase()}.png`, { type: 'image/png' }))
  const input = getElement('avatar', HTMLInputElement)
  input.files = transfer.files
  input.dispatchEvent(new Event('change', { bubbles: true }))
}

function setValue (id: string, value: string): void {
  const input = document.getElementById(id)
  if (!(input instanceof HTMLInputElement || input instanceof HTMLSelectElement)) return
  input.value = value
  for (const type of ['input', 'change']) input.dispatchEvent(new Event(type, { bubbles: true }))
}

function drawPortrait ([top, bottom]: SamplePerson['colors']): Promise<Blob> {
  const size = 256
  const canvas = Object.assign(document.createElement('canvas'), { width: size, height: size })
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('This browser cannot draw the sample picture.')
  const gradient = context.createLinearGradient(0, 0, size, size)
  gradient.addColorStop(0, top)
  gradient.addColorStop(1, bottom)
  context.fillStyle = gradient
  context.fillRect(0, 0, size, size)
  context.fillStyle = '#ffffffd9'
  context.beginPath()
  context.arc(128, 104, 46, 0, 2 * Math.PI)
  context.ellipse(128, 250, 92, 80, 0, 0, 2 * Math.PI)
  context.fill()
  return new Promise((resolve, reject) => canvas.toBlob(blob => {
    if (blob === null) reject(new Error('This browser cannot encode the sample picture.'))
    else resolve(blob)
  }, 'image/png'))
}
