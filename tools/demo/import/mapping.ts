/** Shows the columns of a file with the fields that they are mapped to and their first values. */
import { createElement, getElement } from '../page/dom.ts'
import { fieldNames, findMappingFaults, guessFields, type Mapping } from './fields.ts'
import type { TableFile } from './table-file.ts'

const rowsShown = 3
/** Longest value that is shown in full, in characters. */
const valueMaxLength = 60

const section = getElement('columns', HTMLElement)
const body = getElement('mapping', HTMLTableSectionElement)
let selects: HTMLSelectElement[] = []

export const getMapping = (): Mapping => selects.map(({ value }) => value)

/** @param earlier the mapping that an earlier import of the file had */
export function showMapping (file: TableFile, earlier: Mapping | undefined): void {
  const guesses = guessFields(file.columns)
  selects = guesses.map(({ field }, index) => createSelect(earlier?.[index] ?? field, file.columns[index] ?? ''))
  body.replaceChildren(...selects.map((select, index) => {
    const values = file.rows.slice(0, rowsShown).map(row => createElement('p', {}, shorten(row[index])))
    const hint = guesses[index]?.hint ?? ''
    return createElement('tr', {},
      createElement('th', { scope: 'row' }, file.columns[index] || '(no name)'),
      createElement('td', {}, select, ...hint === '' ? [] : [createElement('p', { className: 'flag' }, hint)]),
      createElement('td', {}, ...values)
    )
  }))
  section.hidden = false
  showMappingState()
}

export function hideMapping (): void {
  selects = []
  section.hidden = true
}

/** Shows what keeps the columns from being imported. Returns whether nothing does. */
export function showMappingState (): boolean {
  const mapping = getMapping()
  for (const select of selects) {
    const row = select.closest('tr')
    if (row !== null) row.dataset['state'] = select.value === '' ? 'ignored' : 'mapped'
  }
  const ignoredCount = mapping.filter(field => field === '').length
  const ignored = ignoredCount === 0 ? '' : `, ${ignoredCount} not sent`
  getElement('columns-summary', HTMLElement).textContent = `${mapping.length - ignoredCount} mapped${ignored}`
  const faults = findMappingFaults(mapping)
  const alert = getElement('columns-faults', HTMLElement)
  alert.replaceChildren(...faults.map(fault => createElement('p', {}, fault)))
  alert.hidden = faults.length === 0
  return faults.length === 0
}

export function setMappingDisabled (isDisabled: boolean): void {
  for (const select of selects) select.disabled = isDisabled
}

export function initMapping (onChange: () => void): void {
  body.addEventListener('change', onChange)
}

function createSelect (field: string, column: string): HTMLSelectElement {
  const options = fieldNames.map(name => createElement('option', { value: name }, name))
  const select = createElement('select', { ariaLabel: `Field of the column ${column}` },
    createElement('option', { value: '' }, 'Do not send'), ...options)
  select.value = field
  return select
}

function shorten (value: unknown): string {
  const text = toText(value)
  return text.length > valueMaxLength ? `${text.slice(0, valueMaxLength)}…` : text
}

/** Returns the text of a value of a row. */
export const toText = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
