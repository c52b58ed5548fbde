/** Shows field errors below their inputs and in a summary above the form, whether the service or Procore found them. */
import type { ErrorsByField, FieldError } from '../../../client/client.ts'
import { getElement, createElement } from './dom.ts'

const summary = getElement('summary', HTMLElement)
const summaryList = getElement('summary-list', HTMLElement)

/** Removes the errors of a field when it changes: they were about the old value. */
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

/**
 * Shows the errors and moves the focus to the summary, whose links lead to the inputs.
 * @param otherErrors belong to no field
 */
export function showErrorSummary (errorsByField: ErrorsByField, otherErrors: readonly FieldError[] = []): void {
  clearErrors()
  for (const [name, fieldErrors] of Object.entries({ ...errorsByField, '': otherErrors })) {
    const field = findField(name)
    if (field !== undefined) setFieldErrors(field, fieldErrors)
    summaryList.append(...fieldErrors.map(error => createSummaryItem(name, field, error)))
  }
  updateSummary()
  summary.focus()
}

function createSummaryItem (name: string, field: HTMLElement | undefined, error: FieldError): HTMLLIElement {
  if (field === undefined) return createElement('li', {}, toSentence(error.field ?? '', error))
  return createElement('li', {}, createElement('a', { href: `#${name}` }, toSentence(getLabel(field), error)))
}

export function clearErrors (): void {
  summaryList.replaceChildren()
  for (const field of getFields()) setFieldErrors(field, [])
}

/**
 * Shows the result of live validation for one field. An error that Procore found stays until the field changes.
 * @returns the messages that were not shown before
 */
export function showFieldErrors (name: string, errors: readonly FieldError[]): string[] {
  const field = findField(name)
  if (field === undefined || findById(`${name}-error`)?.dataset['by'] === 'procore') return []
  const previousText = findById(`${name}-error`)?.textContent ?? ''
  const sentences = errors.map(error => toSentence(getLabel(field), error))
  if (sentences.join('') === previousText) return []
  setFieldErrors(field, errors)
  return sentences
}

function setFieldErrors (field: HTMLElement, errors: readonly FieldError[]): void {
  const name = field.dataset['field'] ?? ''
  findById(`${name}-error`)?.remove()
  if (errors.length > 0) field.append(createErrorParagraph(name, getLabel(field), errors))
  else for (const item of summaryList.querySelectorAll(`a[href="#${name}"]`)) item.closest('li')?.remove()
  updateSummary()
  updateAriaAttributes(field, name, errors.length > 0)
  const details = field.closest('details')
  if (details !== null && errors.length > 0) details.open = true
}

function createErrorParagraph (name: string, label: string, errors: readonly FieldError[]): HTMLParagraphElement {
  const lines = errors.flatMap(error => [createElement('br'), toSentence(label, error)]).slice(1)
  const isFromProcore = errors.some(({ rule }) => rule === 'procore')
  const element = createElement('p', { id: `${name}-error`, className: 'field-error' }, ...lines)
  if (isFromProcore) element.append(' ', createElement('span', { className: 'by' }, 'Found by Procore'))
  element.dataset['by'] = isFromProcore ? 'procore' : 'service'
  return element
}

/** Connects the input to its hint and its error, so that screen readers announce them. */
function updateAriaAttributes (field: HTMLElement, name: string, isInvalid: boolean): void {
  const input = findInput(field)
  const ids = [`${name}-hint`, `${name}-error`].filter(id => findById(id) !== undefined)
  if (ids.length > 0) input?.setAttribute('aria-describedby', ids.join(' '))
  else input?.removeAttribute('aria-describedby')
  if (isInvalid) input?.setAttribute('aria-invalid', 'true')
  else input?.removeAttribute('aria-invalid')
}

/** Shows the summary as long as it has an entry. */
function updateSummary (): void {
  const errorCount = summaryList.children.length
  summary.hidden = errorCount === 0
  const title = errorCount === 1 ? 'Correct one input' : `Correct ${errorCount} inputs`
  getElement('summary-title', HTMLElement).textContent = title
}

/** Puts the subject before a message such as "is required". A message that ends with a period is a sentence already. */
function toSentence (subject: string, { message }: FieldError): string {
  if (message.endsWith('.')) return message
  return subject === '' ? `${message.charAt(0).toUpperCase()}${message.slice(1)}.` : `${subject} ${message}.`
}

const getFields = () => [...document.querySelectorAll<HTMLElement>('[data-field]')]

const findField = (name: string) => getFields().find(field => field.dataset['field'] === name)

function findInput (field: HTMLElement | undefined): HTMLElement | undefined {
  return field?.querySelector<HTMLElement>('input, select, textarea') ?? undefined
}

const findById = (id: string) => document.getElementById(id) ?? undefined

function getLabel (field: HTMLElement): string {
  const [label] = field.querySelector('label')?.childNodes ?? []
  return label?.textContent?.trim() ?? ''
}
