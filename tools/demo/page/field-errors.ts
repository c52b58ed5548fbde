/** Faults where they can be mended: under their inputs, and all together above the form, whoever found them. */
import type { FieldError } from '../../../client/client.ts'
import { getElement, createElement } from './dom.ts'

const summary = getElement('summary', HTMLElement)
const summaryList = getElement('summary-list', HTMLElement)

/** An input that is changed is not at fault any more, as far as anybody knows. */
export function initFieldErrors (): void {
  for (const field of getFields()) {
    field.addEventListener('input', () => setFieldErrors(field, []))
    field.addEventListener('change', () => setFieldErrors(field, []))
  }
  summaryList.addEventListener('click', event => {
    if (!(event.target instanceof HTMLAnchorElement)) return
    event.preventDefault()
    findInput(findField(event.target.hash.slice(1)))?.focus()
  })
}

/** Shows them and moves the focus to the summary, from which each is one step away. */
export function showErrorSummary (errors: readonly FieldError[]): void {
  clearErrors()
  const errorsByField = Map.groupBy(errors, getFieldName)
  for (const [name, fieldErrors] of errorsByField) {
    const field = findField(name)
    if (field !== undefined) setFieldErrors(field, fieldErrors)
    for (const error of fieldErrors) summaryList.append(createElement('li', {}, field === undefined ? toSentence(error.field ?? '', error) : createElement('a', { href: `#${name}` }, toSentence(getLabel(field), error))))
  }
  updateSummary()
  summary.focus()
}

export function clearErrors (): void {
  summaryList.replaceChildren()
  for (const field of getFields()) setFieldErrors(field, [])
}

/**
 * What was found out about an input while the form is being filled in. What Procore said of it stays until it is changed.
 * @returns what is new
 */
export function showFieldErrors (name: string, errors: readonly FieldError[]): string[] {
  const field = findField(name)
  if (field === undefined || findById(`${name}-fault`)?.dataset['by'] === 'procore') return []
  const previousText = findById(`${name}-fault`)?.textContent ?? ''
  const sentences = errors.map(error => toSentence(getLabel(field), error))
  if (sentences.join('') === previousText) return []
  setFieldErrors(field, errors)
  return sentences
}

/** Every input is told by what it is described, its fault included, as long as there is one. */
function setFieldErrors (field: HTMLElement, errors: readonly FieldError[]): void {
  const name = field.dataset['field'] ?? ''
  findById(`${name}-fault`)?.remove()
  if (errors.length > 0) field.append(createErrorParagraph(name, getLabel(field), errors))
  else for (const item of summaryList.querySelectorAll(`a[href="#${name}"]`)) item.closest('li')?.remove()
  updateSummary()
  updateAriaAttributes(field, name, errors.length > 0)
  const details = field.closest('details')
  if (details !== null && errors.length > 0) details.open = true
}

function createErrorParagraph (name: string, label: string, errors: readonly FieldError[]): HTMLParagraphElement {
  const lines = errors.flatMap((error, index) => index === 0 ? [toSentence(label, error)] : [createElement('br'), toSentence(label, error)])
  const isFromProcore = errors.some(({ rule }) => rule === 'procore')
  const element = createElement('p', { id: `${name}-fault`, className: 'fault' }, ...lines, ...isFromProcore ? [' ', createElement('span', { className: 'by' }, 'Found by Procore')] : [])
  element.dataset['by'] = isFromProcore ? 'procore' : 'service'
  return element
}

function updateAriaAttributes (field: HTMLElement, name: string, isInvalid: boolean): void {
  const input = findInput(field)
  const ids = [`${name}-hint`, `${name}-fault`].filter(id => findById(id) !== undefined)
  if (ids.length > 0) input?.setAttribute('aria-describedby', ids.join(' '))
  else input?.removeAttribute('aria-describedby')
  if (isInvalid) input?.setAttribute('aria-invalid', 'true')
  else input?.removeAttribute('aria-invalid')
}

/** The summary holds what is still to be mended, and is gone with the last of it. */
function updateSummary (): void {
  const errorCount = summaryList.children.length
  summary.hidden = errorCount === 0
  getElement('summary-title', HTMLElement).textContent = errorCount === 1 ? 'One input needs another look' : `${errorCount} inputs need another look`
}

export const getFieldName = ({ in: part, pointer }: FieldError) => part === 'body' ? pointer.split('/')[2] ?? '' : ''

/** Messages go on from the name of what they are about; what is told of a whole request is a sentence already. */
function toSentence (subject: string, { message }: FieldError): string {
  if (message.endsWith('.')) return message
  return subject === '' ? `${message.charAt(0).toUpperCase()}${message.slice(1)}.` : `${subject} ${message}.`
}

const getFields = () => [...document.querySelectorAll<HTMLElement>('[data-field]')]

const findField = (name: string) => getFields().find(field => field.dataset['field'] === name)

const findInput = (field: HTMLElement | undefined) => field?.querySelector<HTMLElement>('input, select, textarea') ?? undefined

const findById = (id: string) => document.getElementById(id) ?? undefined

function getLabel (field: HTMLElement): string {
  const [label] = field.querySelector('label')?.childNodes ?? []
  return label?.textContent?.trim() ?? ''
}
