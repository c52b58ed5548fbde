/** Decides what to do with a valid row, by what the directory has: create a person, update one, or neither. */
import type { FieldValues, UserSync } from '../../endpoints/endpoint.ts'
import { normalizeEmail, normalizeText } from '../../procore/recovery/normalize.ts'
import type { FieldError, Problem } from '../../server/problem.ts'
import { findForbiddenField } from '../record-guard.ts'
import { toJsonPointer, type OperationCheck } from '../validation/record.ts'
import { getKnownValues, type DirectoryIndex, type KnownPerson } from './directory-index.ts'
import type { RowResult } from './results.ts'

/** What to do with a row: it is sent, for a new person or an existing one, or its result is known already. */
export type Decision =
  | { kind: 'create' }
  | { kind: 'update', id: number }
  | { kind: 'settled', result: RowResult }

/** The rules for rows of one import. */
export interface MatchOptions {
  mode: 'create' | 'upsert'
  matchField: string
  /** Which people may be updated, and which scope a change of their login needs. */
  sync: UserSync
  checkOperation: OperationCheck
  /** The row of each person that a row was matched with, by id. Procore's answer could not tell two of them apart. */
  rowsByPerson: Map<number, number>
  /** Whether the caller may learn the id of a person that exists. */
  mayShowExisting: boolean
}

const settled = (result: RowResult): Decision => ({ kind: 'settled', result })

export function decide (
  row: { number: number, values: FieldValues }, index: DirectoryIndex, options: MatchOptions
): Decision {
  const { values } = row
  const match = index.find(values)
  switch (match.kind) {
    case 'none':
      return { kind: 'create' }
    case 'missing':
      return rejected(toRowError(match.field, 'dependency', 'is not the id of a person in the directory'))
    case 'ambiguous':
      return rejected(toRowError(match.field, 'duplicate', 'belongs to another person in the directory, or to several'))
    case 'person':
      if (options.mode === 'upsert') return decideUpdate(row, match, options)
      return rejected(duplicateError(match.field), options.mayShowExisting ? match.person.id : undefined)
  }
}

function rejected (error: FieldError, id?: number): Decision {
  return settled({ status: 'rejected', ...(id !== undefined && { id }), errors: [error] })
}

const toRowError = (field: string, rule: FieldError['rule'], message: string): FieldError =>
  ({ in: 'body', pointer: toJsonPointer([field]), field, rule, message })

/** The error of a row whose person exists. */
const duplicateError = (field: string) => toRowError(field, 'duplicate', 'is in the directory already')

function decideUpdate (
  { number, values }: { number: number, values: FieldValues },
  { person, field: foundBy }: { person: KnownPerson, field: string },
  options: MatchOptions
): Decision {
  const { sync: { restriction, loginRestriction }, checkOperation, matchField, rowsByPerson } = options
  const earlier = rowsByPerson.get(person.id)
  if (earlier !== undefined) {
    const error = toRowError(foundBy, 'duplicate', `belongs to the person of row ${earlier}`)
    return settled({ status: 'invalid', errors: [error] })
  }
  rowsByPerson.set(person.id, number)
  const known = getKnownValues(person)
  const changed = [...values.keys()].filter(name => {
    return name !== 'id' && !isSame(known[name], values.get(name), name === matchField)
  })
  const { id } = person
  if (changed.length === 0) return settled({ status: 'unchanged', id })
  const field = restriction.values.size === 0 ? undefined : findForbiddenField(known, restriction)
  if (field !== undefined) {
    const detail = `The ${field} of this person is not one that callers may assign.`
    return settled({ status: 'invalid', id, code: restriction.code, detail })
  }
  // Procore may make an inactive person active whose row does not say so.
  const mayReactivate = known['is_active'] === false && !values.has('is_active')
  const changesLogin = mayReactivate || changed.some(name => loginRestriction.fields.includes(name))
  const problem = changesLogin ? checkOperation(loginRestriction.operation) : undefined
  return problem === undefined ? { kind: 'update', id } : settled({ ...toForbidden(problem), id })
}

/** Returns the result of a row with a value that callers may not set. */
export const toForbidden = ({ code, message }: Problem): RowResult => ({ status: 'invalid', code, detail: message })

/** Whether the directory has the value. A field that it does not show may have another one. */
function isSame (known: unknown, value: unknown, isEmail: boolean): boolean {
  if (known === undefined) return false
  return isEmail ? normalizeEmail(known) === normalizeEmail(value) : normalizeText(known) === normalizeText(value)
}

/** Whether a person has all values of a row, as far as they are known. */
export function hasValues (person: KnownPerson, values: FieldValues, matchField: string): boolean {
  if (person.json === '') return true
  const known = getKnownValues(person)
  return [...values].every(([name, value]) => {
    return known[name] === undefined || isSame(known[name], value, name === matchField)
  })
}
