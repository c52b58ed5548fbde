/** The fields of a row, and the field that a column of a file is probably meant for. */
import type { NewUser } from '../../../client/client.ts'
import { findSimilarName } from '../../../src/proxy/import/similar-name.ts'

export type RowField = 'id' | Exclude<keyof NewUser, 'bid_contact' | 'avatar'>

/** Every field that a row of an import may have. */
const fields: Readonly<Record<RowField, 'required' | 'optional'>> = {
  last_name: 'required',
  email_address: 'required',
  first_name: 'optional',
  job_title: 'optional',
  initials: 'optional',
  is_active: 'optional',
  is_employee: 'optional',
  employee_id: 'optional',
  vendor_id: 'optional',
  work_classification_id: 'optional',
  company_permission_template_id: 'optional',
  default_permission_template_id: 'optional',
  business_phone: 'optional',
  business_phone_extension: 'optional',
  mobile_phone: 'optional',
  fax_number: 'optional',
  address: 'optional',
  city: 'optional',
  zip: 'optional',
  country_code: 'optional',
  state_code: 'optional',
  notes: 'optional',
  email_signature: 'optional',
  origin_id: 'optional',
  origin_data: 'optional',
  id: 'optional',
}

export const fieldNames: readonly string[] = Object.keys(fields)

const requiredNames = Object.entries(fields).filter(([, need]) => need === 'required').map(([name]) => name)

/** The column that the page adds to the rows that failed. It is not sent again. */
export const reasonColumn = 'error'

/** The field of each column; empty if the column is not sent. */
export type Mapping = readonly string[]

export interface ColumnGuess {
  field: string
  /** Why the person should look at it; empty if the column has the name of its field. */
  hint: string
}

/** Returns a guess for each column. No two columns get the same field. */
export function guessFields (columns: readonly string[]): ColumnGuess[] {
  const taken = new Set<string>()
  const take = (field: string) => {
    if (!fieldNames.includes(field) || taken.has(field)) return ''
    taken.add(field)
    return field
  }
  // A column that has the name of a field gets it before those that only resemble it.
  const exact = columns.map(column => take(toFieldName(column)))
  return columns.map((column, index) => {
    const field = exact[index] ?? ''
    return field === '' ? guessField(toFieldName(column), take) : { field, hint: '' }
  })
}

function guessField (name: string, take: (field: string) => string): ColumnGuess {
  if (name === '') return { field: '', hint: 'The column has no name.' }
  if (name === reasonColumn) return { field: '', hint: 'Why rows failed in an earlier import.' }
  const similar = fieldNames.includes(name) ? name : findSimilarName(name, fieldNames)
  if (similar === undefined) return { field: '', hint: 'No field has this name.' }
  const field = take(similar)
  const hint = field === '' ? `Another column is ${similar}.` : `No field has this name. Suggested: ${similar}.`
  return { field, hint }
}

/** As the service reads names of columns. */
const toFieldName = (column: string) => column.trim().toLowerCase().replaceAll(/[\s-]+/g, '_')

/** Returns what keeps the columns from being imported. */
export function findMappingFaults (mapping: Mapping): string[] {
  const repeated = new Set(mapping.filter((field, index) => field !== '' && mapping.indexOf(field) !== index))
  const missing = mapping.includes('id') ? [] : requiredNames.filter(name => !mapping.includes(name))
  return [
    ...[...repeated].map(name => `Several columns are mapped to ${name}. Choose one of them.`),
    ...missing.map(name => `No column is mapped to ${name}, which is required.`),
  ]
}
