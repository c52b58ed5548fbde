import type { FieldValues, LookupSpec } from '../../endpoints/endpoint.ts'
import { normalizeEmail, normalizeOriginId, normalizeText } from '../../procore/recovery/normalize.ts'
import { Problem, type FieldError } from '../../server/problem.ts'
import { RecordValidator, toJsonPointer, validationProblem, type OperationCheck } from '../validation/record.ts'
import type { CompiledField, CompiledRecord, Violation } from '../validation/schema.ts'
import type { ImportRow } from './row.ts'
import { RowNumbers } from './row-numbers.ts'

/** Describes the rows of an import. */
export interface RowOptions {
  /** A row for a new record. */
  record: CompiledRecord
  /** A row that names its record by its id. */
  existing: { idField: string, record: CompiledRecord } | undefined
  /** Whether rows may name records. */
  mode: 'create' | 'upsert'
  /** The fields whose values must be unique in the file. */
  lookup: Pick<LookupSpec, 'matchField' | 'originField'>
  checkOperation: OperationCheck
  /** Rows of one file. */
  rowsMax: number
  rowMaxBytes: number
}

/** What the cells of a column are: a field, or nothing if the header has no name for it. */
export type Column = { kind: 'field', name: string } | { kind: 'unnamed' }

/** How spreadsheets write booleans, in English and German. */
const booleanTexts: ReadonlyMap<string, string> = new Map([
  ['TRUE', 'true'], ['FALSE', 'false'], ['WAHR', 'true'], ['FALSCH', 'false'],
])

/** Validates the rows of one import as they are read, and numbers them. */
export class RowValidator {
  /** Rows so far. */
  count = 0
  readonly #options: RowOptions
  /** The rows of the values that must be unique. */
  readonly #numbers = new RowNumbers()

  constructor (options: RowOptions) {
    const { record, existing } = options
    this.#options = {
      ...options,
      record: toRoot(record),
      existing: existing && { ...existing, record: toRoot(existing.record) },
    }
  }

  /** Names of the fields that rows may have, those of a new record first. */
  get fieldNames (): string[] {
    const { record, existing, mode } = this.#options
    const existingNames = mode === 'upsert' ? existing?.record.fields.keys() ?? [] : []
    return [...new Set([...record.fields.keys(), ...existingNames])]
  }

  /** Names of the fields that every row must have, unless it has an id. */
  get requiredNames (): readonly string[] {
    return this.#options.record.required
  }

  /** Returns why rows may not have the field, which no record of the import has. */
  describeUnknown (name: string): Violation | undefined {
    const { existing, mode } = this.#options
    return mode === 'create' && name === existing?.idField ? needsUpsert : undefined
  }

  /** Name of the field that names a record; undefined if rows may not have it. */
  get idField (): string | undefined {
    const { existing, mode } = this.#options
    return mode === 'upsert' ? existing?.idField : undefined
  }

  /**
   * Validates the cells of a row of a CSV file. An empty cell has no value.
   * @throws {Problem} `body_too_large` for a row more than the import may have; so do the other methods
   */
  validateCells (cells: readonly string[], columns: readonly Column[]): ImportRow {
    const number = this.#start()
    const present = cells.entries().filter(([, cell]) => cell !== '').toArray()
    const nameOf = (index: number) => {
      const column = columns[index]
      return column?.kind === 'field' ? column.name : undefined
    }
    const { idField } = this
    const hasId = idField !== undefined && present.some(([index]) => nameOf(index) === idField)
    const validator = this.#createValidator(hasId)
    const unnamed = present.find(([index, cell]) => nameOf(index) === undefined && cell.trim() !== '')
    if (unnamed !== undefined) validator.addRecordError('', '', unnamedViolation(unnamed[0]))
    for (const [index, cell] of present) {
      const name = nameOf(index)
      if (name !== undefined) setCell(validator, name, cell)
    }
    validator.finalize()
    return this.#finish(number, validator)
  }

  /** Validates a row that is a JSON object. */
  validateObject (members: Readonly<Record<string, unknown>>): ImportRow {
    const number = this.#start()
    const { idField } = this
    const validator = this.#createValidator(idField !== undefined && Object.hasOwn(members, idField))
    const entries = Object.entries(members).filter(([name]) => {
      const unknown = this.describeUnknown(name)
      if (unknown !== undefined) validator.addRecordError(toJsonPointer([name]), name, unknown)
      return unknown === undefined
    })
    validator.setMembers(Object.fromEntries(entries))
    return this.#finish(number, validator)
  }

  /** Returns a row that could not be read. */
  reject ({ rule, message }: Violation): ImportRow {
    return { kind: 'invalid', number: this.#start(), errors: [{ in: 'body', pointer: '', field: '', rule, message }] }
  }

  #start (): number {
    const { rowsMax } = this.#options
    if (this.count >= rowsMax) throw new Problem('body_too_large', `An import may have at most ${rowsMax} rows.`)
    return ++this.count
  }

  #createValidator (hasId: boolean): RecordValidator {
    const { record, existing, checkOperation } = this.#options
    return new RecordValidator(hasId && existing !== undefined ? existing.record : record, checkOperation)
  }

  #finish (number: number, validator: RecordValidator): ImportRow {
    const problem = validationProblem([validator])
    if (problem !== undefined) {
      const { errors } = problem.extras
      return errors === undefined ? { kind: 'forbidden', number, problem } : { kind: 'invalid', number, errors }
    }
    const { values } = validator
    const errors = this.#findDuplicates(number, values)
    return errors.length > 0 ? { kind: 'invalid', number, errors } : { kind: 'valid', number, values }
  }

  /** Compares with the valid rows before, because an invalid row makes no record. */
  #findDuplicates (number: number, values: FieldValues): FieldError[] {
    const { lookup: { matchField, originField } } = this.#options
    const unique = [
      { field: this.idField, value: normalizeText(values.get(this.idField ?? '')) },
      { field: matchField, value: normalizeEmail(values.get(matchField)) },
      { field: originField, value: normalizeOriginId(values.get(originField ?? '')) },
    ]
    const texts = unique.flatMap(({ field, value }) => {
      return field === undefined || value === '' ? [] : [{ field, text: `${field} ${value}` }]
    })
    const errors = texts.flatMap(({ field, text }) => {
      const earlier = this.#numbers.get(text)
      return earlier === undefined ? [] : [duplicateError(field, earlier)]
    })
    if (errors.length === 0) for (const { text } of texts) this.#numbers.add(text, number)
    return errors
  }
}

/** The pointers to fields of a row start at the row. */
const toRoot = (record: CompiledRecord): CompiledRecord => ({ ...record, rootKey: undefined })

function setCell (validator: RecordValidator, name: string, cell: string): void {
  const field = validator.compiled.fields.get(name)
  if (field === undefined) validator.addUnknownField([name], name)
  else if (field.isList) validator.appendText(field, cell)
  else validator.setText(field, toFormText(field, cell), true)
}

/** Returns the text of a cell as a form would have it. */
function toFormText ({ kind }: CompiledField, cell: string): string {
  return kind === 'Boolean' ? booleanTexts.get(cell.toUpperCase()) ?? cell : cell
}

/** An import that only creates does not change a record that a row names. */
const needsUpsert: Violation = { rule: 'unknown', message: 'is not known: send ?mode=upsert to change records' }

const unnamedViolation = (index: number): Violation =>
  ({ rule: 'unknown', message: `must not have a value in column ${index + 1}, which has no name in the header` })

const duplicateError = (field: string, number: number): FieldError => {
  const message = `repeats the value of row ${number}`
  return { in: 'body', pointer: toJsonPointer([field]), field, rule: 'duplicate', message }
}
