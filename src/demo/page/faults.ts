/** Faults where they can be mended: under their inputs, and all together above the form, whoever found them. */
import type { Fault } from '../../../client/client.ts'
import { find, make } from './dom.ts'

const summary = find('summary', HTMLElement)
const list = find('summary-list', HTMLElement)

/** Every input is told by what it is described, its fault included, as long as there is one. */
export function prepareFaults (): void {
  for (const field of fields()) {
    field.addEventListener('input', () => mend(field))
    field.addEventListener('change', () => mend(field))
  }
  list.addEventListener('click', event => {
    if (!(event.target instanceof HTMLAnchorElement)) return
    event.preventDefault()
    inputOf(fieldOf(event.target.hash.slice(1)))?.focus()
  })
}

/** Shows them and moves the focus to the summary, from which each is one step away. */
export function showFaults (title: string, faults: readonly Fault[]): void {
  clearFaults()
  for (const fault of faults) {
    const name = nameOf(fault)
    const field = fieldOf(name)
    if (field === undefined) {
      list.append(make('li', {}, fault.field === undefined ? sentence(fault.message) : `${fault.field} ${fault.message}`))
      continue
    }
    const text = `${labelOf(field)} ${fault.message}`
    list.append(make('li', {}, make('a', { href: `#${name}` }, text)))
    mark(field, fault)
  }
  find('summary-title', HTMLElement).textContent = title
  summary.hidden = false
  summary.focus()
}

export function clearFaults (): void {
  summary.hidden = true
  list.replaceChildren()
  for (const field of fields()) mend(field)
}

function mark (field: HTMLElement, { message, rule }: Fault): void {
  const name = field.dataset['field'] ?? ''
  const shown = byId(`${name}-fault`) ?? make('p', { id: `${name}-fault`, className: 'fault' })
  if (shown.textContent !== '') shown.append(make('br'))
  shown.append(sentence(message), make('span', { className: 'by' }, rule === 'procore' ? ' Procore says so.' : ''))
  field.append(shown)
  const closed = field.closest('details')
  if (closed !== null) closed.open = true
  describe(field)
}

/** What is being changed is not at fault any more, as far as anybody knows. */
function mend (field: HTMLElement): void {
  byId(`${field.dataset['field'] ?? ''}-fault`)?.remove()
  describe(field)
}

function describe (field: HTMLElement): void {
  const name = field.dataset['field'] ?? ''
  const input = inputOf(field)
  const ids = [`${name}-hint`, `${name}-fault`].filter(id => byId(id) !== undefined)
  if (ids.length > 0) input?.setAttribute('aria-describedby', ids.join(' '))
  else input?.removeAttribute('aria-describedby')
  if (ids.at(-1) === `${name}-fault`) input?.setAttribute('aria-invalid', 'true')
  else input?.removeAttribute('aria-invalid')
}

const nameOf = ({ in: part, pointer }: Fault) => part === 'body' ? pointer.split('/')[2] ?? '' : ''

const sentence = (message: string) => `${message.charAt(0).toUpperCase()}${message.slice(1)}.`

const fields = () => [...document.querySelectorAll<HTMLElement>('[data-field]')]

const fieldOf = (name: string) => fields().find(field => field.dataset['field'] === name)

const inputOf = (field: HTMLElement | undefined) => field?.querySelector<HTMLElement>('input, select, textarea') ?? undefined

const byId = (id: string) => document.getElementById(id) ?? undefined

function labelOf (field: HTMLElement): string {
  const [label] = field.querySelector('label')?.childNodes ?? []
  return label?.textContent?.trim() ?? ''
}
