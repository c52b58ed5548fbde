/** Faults where they can be mended: under their inputs, and all together above the form, whoever found them. */
import type { Fault } from '../../../client/client.ts'
import { find, make } from './dom.ts'

const summary = find('summary', HTMLElement)
const list = find('summary-list', HTMLElement)

/** An input that is changed is not at fault any more, as far as anybody knows. */
export function prepareFaults (): void {
  for (const field of fields()) {
    field.addEventListener('input', () => mark(field, []))
    field.addEventListener('change', () => mark(field, []))
  }
  list.addEventListener('click', event => {
    if (!(event.target instanceof HTMLAnchorElement)) return
    event.preventDefault()
    inputOf(fieldOf(event.target.hash.slice(1)))?.focus()
  })
}

/** Shows them and moves the focus to the summary, from which each is one step away. */
export function showFaults (faults: readonly Fault[]): void {
  clearFaults()
  const byName = Map.groupBy(faults, nameOf)
  for (const [name, ofName] of byName) {
    const field = fieldOf(name)
    if (field !== undefined) mark(field, ofName)
    for (const fault of ofName) list.append(make('li', {}, field === undefined ? sentence(fault.field ?? '', fault) : make('a', { href: `#${name}` }, sentence(labelOf(field), fault))))
  }
  count()
  summary.focus()
}

export function clearFaults (): void {
  list.replaceChildren()
  for (const field of fields()) mark(field, [])
}

/**
 * What was found out about an input while the form is being filled in. What Procore said of it stays until it is changed.
 * @returns what is new
 */
export function judgeField (name: string, faults: readonly Fault[]): string[] {
  const field = fieldOf(name)
  if (field === undefined || byId(`${name}-fault`)?.dataset['by'] === 'procore') return []
  const before = byId(`${name}-fault`)?.textContent ?? ''
  const sentences = faults.map(fault => sentence(labelOf(field), fault))
  if (sentences.join('') === before) return []
  mark(field, faults)
  return sentences
}

/** Every input is told by what it is described, its fault included, as long as there is one. */
function mark (field: HTMLElement, faults: readonly Fault[]): void {
  const name = field.dataset['field'] ?? ''
  byId(`${name}-fault`)?.remove()
  if (faults.length > 0) field.append(paragraph(name, labelOf(field), faults))
  else for (const item of list.querySelectorAll(`a[href="#${name}"]`)) item.closest('li')?.remove()
  count()
  describe(field, name, faults.length > 0)
  const closed = field.closest('details')
  if (closed !== null && faults.length > 0) closed.open = true
}

function paragraph (name: string, label: string, faults: readonly Fault[]): HTMLParagraphElement {
  const lines = faults.flatMap((fault, index) => index === 0 ? [sentence(label, fault)] : [make('br'), sentence(label, fault)])
  const isProcores = faults.some(({ rule }) => rule === 'procore')
  const shown = make('p', { id: `${name}-fault`, className: 'fault' }, ...lines, ...isProcores ? [' ', make('span', { className: 'by' }, 'Found by Procore')] : [])
  shown.dataset['by'] = isProcores ? 'procore' : 'service'
  return shown
}

function describe (field: HTMLElement, name: string, isFaulty: boolean): void {
  const input = inputOf(field)
  const ids = [`${name}-hint`, `${name}-fault`].filter(id => byId(id) !== undefined)
  if (ids.length > 0) input?.setAttribute('aria-describedby', ids.join(' '))
  else input?.removeAttribute('aria-describedby')
  if (isFaulty) input?.setAttribute('aria-invalid', 'true')
  else input?.removeAttribute('aria-invalid')
}

/** The summary holds what is still to be mended, and is gone with the last of it. */
function count (): void {
  const faults = list.children.length
  summary.hidden = faults === 0
  find('summary-title', HTMLElement).textContent = faults === 1 ? 'One input needs another look' : `${faults} inputs need another look`
}

export const nameOf = ({ in: part, pointer }: Fault) => part === 'body' ? pointer.split('/')[2] ?? '' : ''

/** Messages go on from the name of what they are about; what is told of a whole request is a sentence already. */
function sentence (about: string, { message }: Fault): string {
  if (message.endsWith('.')) return message
  return about === '' ? `${message.charAt(0).toUpperCase()}${message.slice(1)}.` : `${about} ${message}.`
}

const fields = () => [...document.querySelectorAll<HTMLElement>('[data-field]')]

const fieldOf = (name: string) => fields().find(field => field.dataset['field'] === name)

const inputOf = (field: HTMLElement | undefined) => field?.querySelector<HTMLElement>('input, select, textarea') ?? undefined

const byId = (id: string) => document.getElementById(id) ?? undefined

function labelOf (field: HTMLElement): string {
  const [label] = field.querySelector('label')?.childNodes ?? []
  return label?.textContent?.trim() ?? ''
}
