/** Writes the mapped file that is sent, and the file of the rows that failed. */
import { reasonColumn, type Mapping } from './fields.ts'
import type { TableFile } from './table-file.ts'

/** What is sent of a file: the mapped columns, under the names of their fields. */
export interface ImportContent {
  file: TableFile
  fields: readonly string[]
  /** The rows that are sent, numbered as the service does: the first is row 1. */
  rows: ReadonlyArray<readonly unknown[]>
}

export function mapFile (file: TableFile, mapping: Mapping): ImportContent {
  const columns = mapping.flatMap((field, index) => field === '' ? [] : [{ field, index }])
  const rows = file.rows.map(row => columns.map(({ index }) => row[index]))
  return {
    file,
    fields: columns.map(({ field }) => field),
    // The service skips rows without values, and does not number them.
    rows: file.type === 'text/csv' ? rows.filter(row => row.some(value => String(value).trim() !== '')) : rows,
  }
}

export const toBlob = ({ file, fields, rows }: ImportContent): Blob =>
  new Blob([writeTable(file, fields, rows)], { type: file.type })

/** A row that failed, and why. */
export interface FailedRow {
  row: number
  reason: string
}

/**
 * Returns the rows that failed with one more column, which this page does not send. Values are not changed. The reasons
 * start with a letter, so that no spreadsheet takes them for a formula.
 */
export function toFailedRowsFile ({ file, fields, rows }: ImportContent, failed: readonly FailedRow[]): File {
  const failedRows = failed.map(({ row, reason }) => [...rows[row - 1] ?? [], `Row ${row}: ${reason}`])
  const text = writeTable(file, [...fields, reasonColumn], failedRows)
  const [, base, extension] = /^(.*)(\.\w+)$/.exec(file.name) ?? ['', file.name, '.csv']
  // Excel recognizes UTF-8 by the byte order mark.
  const mark = file.type === 'text/csv' ? '\uFEFF' : ''
  return new File([mark, text], `${base}-failed${extension}`, { type: file.type })
}

function writeTable (
  { type, delimiter }: TableFile, names: readonly string[], rows: ReadonlyArray<readonly unknown[]>
): string {
  if (type === 'application/x-ndjson') {
    const toObject = (row: readonly unknown[]) => Object.fromEntries(names.map((name, index) => [name, row[index]]))
    return rows.map(row => `${JSON.stringify(toObject(row))}\n`).join('')
  }
  return [names, ...rows].map(row => `${row.map(writeCell).join(delimiter)}\r\n`).join('')
}

const writeCell = (value: unknown) => {
  const text = String(value)
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
