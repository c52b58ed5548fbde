/** Collects what became of each row, and shows the rows of one status in a table. */
import type { ImportedRow } from '../../../client/client.ts'
import { createElement, getElement } from '../page/dom.ts'
import type { FailedRow, ImportContent } from './content.ts'
import { toText } from './mapping.ts'

type Status = ImportedRow['status']
/** Rows in the table: all, those that failed, or those of a status. */
type Filter = 'all' | 'failed' | Status

/** The table has at most so many rows. */
const rowsShownMax = 200
/** The table is written at most at this interval. */
const renderIntervalMs = 100

const statuses = ['created', 'updated', 'unchanged', 'invalid', 'rejected', 'unknown', 'not_sent'] as const
const tones: Readonly<Record<Status, string>> = {
  created: 'good',
  updated: 'good',
  unchanged: 'good',
  invalid: 'bad',
  rejected: 'bad',
  unknown: 'warning',
  not_sent: 'warning',
}

const emptyText = getElement('rows-empty', HTMLElement)
const scroll = getElement('rows-scroll', HTMLElement)
const body = getElement('rows', HTMLTableSectionElement)
const shownText = getElement('rows-shown', HTMLElement)

let content: ImportContent | undefined
let isCheck = false
let results: ImportedRow[] = []
let counts = new Map<Filter, number>()
let filter: Filter = 'all'
let timer: ReturnType<typeof setTimeout> | undefined

const buttons = new Map(([
  ['all', 'All'], ['failed', 'Failed'], ...statuses.map(status => [status, status] as const),
] as const).map(([name, label]) => [name, createFilterButton(name, label)] as const))

/** Forgets the rows of the import before. A check shows rows that would be sent as `valid`. */
export function beginResults (newContent: ImportContent | undefined, isNewCheck: boolean): void {
  content = newContent
  isCheck = isNewCheck
  results = []
  counts = new Map()
  filter = 'all'
  render()
}

export function addResult (row: ImportedRow): void {
  results[row.row - 1] = row
  for (const name of getFilters(row)) counts.set(name, count(name) + 1)
  timer ??= setTimeout(render, renderIntervalMs)
}

/** Shows the rows that failed, if there are any. */
export function endResults (): void {
  if (filter === 'all' && count('failed') > 0) filter = 'failed'
  render()
}

export const count = (name: Filter): number => counts.get(name) ?? 0

/** Returns the rows that were not imported because of their content. */
export function listFailed (): FailedRow[] {
  return results.filter(isFailed).map(row => {
    const reasons = getErrors(row).map(({ field, message }) => `${field} ${message}`.trim())
    return { row: row.row, reason: reasons.join('. ') }
  })
}

const isFailed = ({ status }: ImportedRow) => status === 'invalid' || status === 'rejected'

const getFilters = (row: ImportedRow): Filter[] => isFailed(row) ? ['all', 'failed', row.status] : ['all', row.status]

function createFilterButton (name: Filter, label: string): HTMLButtonElement {
  const button = createElement('button', { type: 'button', className: 'quiet small', hidden: true }, label)
  button.addEventListener('click', () => {
    filter = name
    render()
  })
  return button
}

function render (): void {
  clearTimeout(timer)
  timer = undefined
  for (const [name, button] of buttons) {
    const label = name === 'all' ? 'All' : name === 'failed' ? 'Failed' : toLabel(name)
    button.textContent = `${label} ${count(name).toLocaleString('en')}`
    button.ariaPressed = String(name === filter)
    button.hidden = count(name) === 0
  }
  const rows = takeRows()
  const rowCount = new Set(rows.map(({ row }) => row)).size
  body.replaceChildren(...rows.map(createRow))
  const hasRows = count('all') > 0
  emptyText.hidden = hasRows
  scroll.hidden = !hasRows
  shownText.hidden = !hasRows
  shownText.textContent = `${rowCount} of ${count(filter).toLocaleString('en')} rows shown.`
  getElement('download', HTMLButtonElement).hidden = count('failed') === 0
}

interface ShownRow {
  row: number
  status: Status
  field: string
  text: string
}

/** Returns a row for each error, and one for each row without errors. */
function takeRows (): ShownRow[] {
  const shown: ShownRow[] = []
  for (const row of results) {
    if (row === undefined || !getFilters(row).includes(filter)) continue
    for (const { field, message } of getErrors(row)) {
      shown.push({ row: row.row, status: row.status, field, text: message })
      if (shown.length === rowsShownMax) return shown
    }
  }
  return shown
}

interface RowError {
  field: string
  message: string
}

/** Returns what there is to say about a row: its errors, or one text without a field. */
function getErrors (row: ImportedRow): RowError[] {
  switch (row.status) {
    case 'created': case 'updated': case 'unchanged': return [{ field: '', message: `Person ${row.id}` }]
    case 'invalid': case 'rejected': {
      const errors = (row.errors ?? []).map(({ field = '', message }) => ({ field, message }))
      return errors.length > 0 ? errors : [{ field: '', message: row.detail ?? 'The service gives no reason.' }]
    }
    case 'unknown': return [{ field: '', message: 'Its response was lost. Resume the import to look it up.' }]
    case 'not_sent': return [{ field: '', message: isCheck ? '' : 'Resume the import to send it.' }]
  }
}

function createRow ({ row, status, field, text }: ShownRow): HTMLTableRowElement {
  const badge = createElement('span', { className: 'status' }, toLabel(status))
  badge.dataset['tone'] = isCheck && status === 'not_sent' ? 'good' : tones[status]
  const index = content?.fields.indexOf(field) ?? -1
  const value = toText(content?.rows[row - 1]?.[index])
  return createElement('tr', {},
    createElement('td', { className: 'number' }, String(row)),
    createElement('td', {}, badge),
    createElement('td', {}, field),
    createElement('td', { className: 'value' }, value === '' && index >= 0 ? '(empty)' : value),
    createElement('td', {}, text)
  )
}

const toLabel = (status: Status) => isCheck && status === 'not_sent' ? 'valid' : status

export function initResults (): void {
  getElement('filters', HTMLElement).replaceChildren(...buttons.values())
}
