import { Problem, type FieldError } from '../../server/problem.ts'
import { getFormName, type Restriction } from '../../endpoints/endpoint.ts'
import { listMaxItems } from '../../endpoints/fields.ts'
import { isJsonObject } from '../../util/is-json-object.ts'
import {
  convertText, emptyList, notAList, notAnObject, nullViolation, requiredViolation, tooManyItems, validateField,
  type Violation, type CompiledField, type CompiledNested, type CompiledRecord,
} from './schema.ts'

/** Longest part of an unknown field's name that a response repeats, in characters. */
const shownNameMaxLength = 256

/** Returns the problem of a caller who may not perform the operation. */
export type OperationCheck = (operation: string) => Problem | undefined

type Member = Pick<CompiledField, 'name' | 'required' | 'nullMeaning'>

/** The part of a field error that locates the field. */
type FieldLocation = Pick<FieldError, 'pointer' | 'field'>

class ErrorList {
  readonly known: Array<{ order: number, error: FieldError }> = []
  readonly unknown: FieldError[] = []
  /** The fields with an error, and each pair of field and rule. */
  readonly recorded = new Set<string>()
}

const needsMultipart: Violation = {
  rule: 'type',
  message: 'must be a file: send the request as multipart/form-data',
}

/**
 * Validates the fields of one record (path, query or body) as they are read, in any order. Records in a record
 * have validators of their own, whose errors are added to those of the record that contains them. Missing fields and
 * dependencies between fields are validated by `finalize`, which must be called once, at the end, before the errors are
 * read. All errors of known fields are collected; their number is limited when they are reported.
 */
export class RecordValidator {
  readonly compiled: CompiledRecord
  readonly values = new Map<string, unknown>()
  /** Bytes of the texts in memory, with two bytes for each character. */
  #textBytes = 0
  // Created lazily: most records have no errors, and only forms call `markSeen`.
  #seen: Set<string> | undefined
  #errors: ErrorList | undefined
  /** The first value that is valid, but that callers may not set. */
  #forbiddenValue: Problem | undefined
  readonly #checkOperation: OperationCheck
  /** Leads to the record from the root of the document. */
  readonly #path: readonly string[]

  /** @param path leads to a record that is in another one, from the root of the document */
  constructor (
    compiled: CompiledRecord, checkOperation: OperationCheck = () => undefined, path: readonly string[] = []
  ) {
    this.compiled = compiled
    this.#checkOperation = checkOperation
    this.#path = compiled.rootKey === undefined ? path : [compiled.rootKey]
  }

  /** Whether the record must not be sent. */
  get hasErrors (): boolean {
    return this.#errors !== undefined || this.#forbiddenValue !== undefined
  }

  /** Bytes of values and of names in errors that are in memory. */
  get keptBytes (): number {
    return this.#textBytes
  }

  get forbiddenValue (): Problem | undefined {
    return this.#forbiddenValue
  }

  /**
   * Marks a field as seen. Returns false for a duplicate, which is an error and whose value must not be set.
   * @param mayRepeat of a field that is given twice, the last value counts
   */
  markSeen (name: string, mayRepeat: boolean): boolean {
    this.#seen ??= new Set()
    if (mayRepeat || !this.#seen.has(name)) {
      this.#seen.add(name)
      return true
    }
    this.addError(name, { rule: 'duplicate', message: 'must be given once' })
    return false
  }

  /** Validates and sets all members of a JSON object, and the record as a whole. */
  setMembers (members: Record<string, unknown>): void {
    const { fields, nested, images } = this.compiled
    for (const name of Object.keys(members)) {
      const field = fields.get(name)
      const record = nested.get(name)
      if (field !== undefined) this.set(field, members[name])
      else if (record !== undefined) this.#setNested(record, members[name])
      else if (images.has(name)) this.#setImage(name, members[name])
      else this.addUnknownField([...this.#path, name], getFormName([...this.#path, name], false))
    }
    this.finalize()
  }

  /** JSON cannot contain an image. Serializers write null for a member that is not set. */
  #setImage (name: string, value: unknown): void {
    const isAbsent = value === null && this.compiled.nullMeaning === 'absent'
    if (!isAbsent) this.addError(name, needsMultipart)
  }

  #setNested (nested: CompiledNested, value: unknown): void {
    if (value === null) return this.#setNull(nested)
    const { name, list } = nested
    if (list === undefined) return this.#setValid(nested, this.#validateRecord(nested, value, [...this.#path, name]))
    if (!Array.isArray(value)) return this.addError(name, notAList)
    const items: readonly unknown[] = value
    if (items.length < list.minItems) return this.addError(name, emptyList)
    if (items.length > list.maxItems) return this.addError(name, tooManyItems(list.maxItems))
    this.#setValid(nested, this.#validateRecords(nested, items))
  }

  /** Once there are more errors than are reported, the rest of the list is not validated. */
  #validateRecords (nested: CompiledNested, items: readonly unknown[]): unknown[] {
    const records: unknown[] = []
    for (const [index, item] of items.entries()) {
      const record = this.#validateRecord(nested, item, [...this.#path, nested.name, String(index)])
      // After the first error nothing is sent.
      if (this.hasErrors) records.length = 0
      else records.push(record)
      if (this.#errorCount > this.compiled.errorsMax) break
    }
    return records
  }

  /** Returns the record as it is sent. */
  #validateRecord (nested: CompiledNested, value: unknown, path: readonly string[]): unknown {
    const { name, index, record, existing } = nested
    const isExisting = existing !== undefined && isJsonObject(value) && Object.hasOwn(value, existing.idField)
    const validator = new RecordValidator(isExisting ? existing.record : record, this.#checkOperation, path)
    if (isJsonObject(value)) validator.setMembers(value)
    else validator.addRecordError(toJsonPointer(path), getFormName(path, false), notAnObject)
    if (validator.hasErrors) this.#addErrorsOf(validator, name, index)
    return isJsonObject(value) ? validator.toSent(value) : value
  }

  /** Returns the members without those that are absent although they are null. */
  toSent (members: Record<string, unknown>): Record<string, unknown> {
    const isSame = this.compiled.nested.size === 0 && Object.keys(members).length === this.values.size
    return isSame ? members : Object.fromEntries(this.values)
  }

  #addErrorsOf (validator: RecordValidator, name: string, order: number): void {
    this.#forbiddenValue ??= validator.forbiddenValue
    const { knownErrors, unknownFieldErrors } = validator
    if (knownErrors.length + unknownFieldErrors.length === 0) return
    const errors = this.#errors ??= this.#startErrors()
    errors.recorded.add(name)
    errors.known.push(...knownErrors.map(error => ({ order, error })))
    errors.unknown.push(...unknownFieldErrors)
  }

  get #errorCount (): number {
    return this.#errors === undefined ? 0 : this.#errors.known.length + this.#errors.unknown.length
  }

  /** Validates and sets a value that has a JSON type. */
  set (field: CompiledField, value: unknown): void {
    if (value === null) return this.#setNull(field)
    if (field.isList) return this.#setList(field, value)
    const violation = validateField(field, value)
    if (violation !== undefined) return this.addError(field.name, violation)
    this.#setValid(field, value)
  }

  #setNull (member: Member): void {
    if (member.nullMeaning === 'cleared') this.#setValid(member, null)
    else if (member.nullMeaning === 'missing') {
      this.addError(member.name, member.required ? requiredViolation : nullViolation)
    }
  }

  #setList (field: CompiledField, value: unknown): void {
    if (!Array.isArray(value)) return this.addError(field.name, notAList)
    const items: readonly unknown[] = value
    if (items.length > listMaxItems) return this.addError(field.name, tooManyItems(listMaxItems))
    let isValid = true
    for (const [index, item] of items.entries()) {
      const violation = validateField(field, item)
      if (violation === undefined) continue
      isValid = false
      this.addError(field.name, violation, index)
    }
    if (isValid) this.#setValid(field, value)
  }

  /** Converts a text of a form or query, validates it, and appends it to the values of a list. */
  appendText (field: CompiledField, text: string): void {
    const { name } = field
    const present = this.values.get(name)
    const items: unknown[] = Array.isArray(present) ? present : []
    if (items.length === listMaxItems) return this.addError(name, tooManyItems(listMaxItems))
    const converted = convertText(field, text)
    const violation = 'violation' in converted ? converted.violation : validateField(field, converted.value)
    if (violation !== undefined) this.addError(name, violation, items.length)
    // A value that is not valid keeps its place, so that the pointers to the values after it are right.
    const item = 'violation' in converted ? undefined : converted.value
    this.#setValid(field, [...items, item], item)
  }

  /** @param added the part of the value that is new: an item of a list that is read one by one */
  #setValid ({ name }: Member, value: unknown, added: unknown = value): void {
    const restriction = this.compiled.restrictions.get(name)
    const problem = restriction === undefined ? undefined : this.#checkRestriction(name, added, restriction)
    if (problem === undefined) return this.#keep(name, value, added)
    this.#forbiddenValue ??= problem
    this.#dropTexts()
    // The field is not missing.
    this.values.set(name, withoutTexts(value))
  }

  #keep (name: string, value: unknown, added: unknown): void {
    const isKept = !this.hasErrors || this.#isNeeded(name)
    this.values.set(name, isKept ? value : withoutTexts(value))
    if (isKept) this.#textBytes += 2 * textLength(added)
  }

  /** After the first error nothing is sent, so only that the other fields have a value is needed. */
  #dropTexts (): void {
    this.#textBytes = 0
    for (const [name, value] of this.values) if (!this.#isNeeded(name)) this.values.set(name, withoutTexts(value))
  }

  /** Whether further validation needs the texts of the field. */
  #isNeeded (name: string): boolean {
    return this.compiled.dependencies.some(({ fields }) => fields.includes(name))
  }

  #startErrors (): ErrorList {
    this.#dropTexts()
    return new ErrorList()
  }

  #checkRestriction (name: string, value: unknown, restriction: Restriction): Problem | undefined {
    if (restriction.kind === 'operation') return this.#checkOperation(restriction.operation)
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (values.every(item => restriction.values.has(item))) return undefined
    return new Problem(restriction.code, `${this.locationOf(name).field} ${restriction.message}.`)
  }

  /** Converts, validates and sets a text from a form, query or path. Returns whether the field has a valid value. */
  setText (field: CompiledField, text: string, emptyIsAbsent: boolean): boolean {
    if (text === '' && emptyIsAbsent && field.emptyIsAbsent) {
      this.values.delete(field.name)
      return false
    }
    const converted = convertText(field, text)
    if ('violation' in converted) this.addError(field.name, converted.violation)
    else this.set(field, converted.value)
    return this.values.has(field.name)
  }

  /**
   * Adds an error of a field or of an image, once for each rule.
   * @param index position of the item in a list
   */
  addError (name: string, { rule, message }: Violation, index?: number): void {
    const errors = this.#errors ??= this.#startErrors()
    // The values of a query parameter have no pointer of their own.
    const item = this.compiled.location === 'body' ? index : undefined
    const fieldAndRule = item === undefined ? `${name} ${rule}` : `${name} ${item} ${rule}`
    if (errors.recorded.has(fieldAndRule)) return
    errors.recorded.add(name).add(fieldAndRule)
    const { fields, nested, images, location } = this.compiled
    const order = fields.get(name)?.index ?? nested.get(name)?.index ?? images.get(name) ?? 0
    errors.known.push({ order, error: { in: location, ...this.locationOf(name, item), rule, message } })
  }

  /** Adds an error of the record itself or of the document that contains it. */
  addRecordError (pointer: string, field: string, { rule, message }: Violation): void {
    this.#errors ??= this.#startErrors()
    this.#errors.known.push({ order: -1, error: { in: this.compiled.location, pointer, field, rule, message } })
  }

  /**
   * Adds an error for a field that is not known at its place. It points to where a known field belongs.
   * @param path leads to the unknown field from the root of the document
   */
  addUnknownField (path: readonly string[], field: string): void {
    const { pointer, field: shownField, message } = this.#describeUnknownField(path, field)
    const { unknown } = this.#errors ??= this.#startErrors()
    if (unknown.length > this.compiled.errorsMax || unknown.some(error => error.pointer === pointer)) return
    unknown.push({
      in: this.compiled.location,
      pointer: copyText(pointer),
      field: copyText(shownField),
      rule: 'unknown',
      message: copyText(message),
    })
    this.#textBytes += 2 * (pointer.length + shownField.length + message.length)
  }

  #describeUnknownField (path: readonly string[], field: string): Pick<FieldError, 'pointer' | 'field' | 'message'> {
    const name = path.at(-1) ?? ''
    const shownField = field.slice(0, shownNameMaxLength)
    if (this.#isKnown(name)) {
      const location = this.locationOf(name)
      return { ...location, message: `must be sent as ${location.field}, not as ${shownField}` }
    }
    const similarName = toSnakeCase(shownField)
    const hint = this.#isKnown(similarName) ? `: it must be sent as ${this.locationOf(similarName).field}` : ''
    return {
      pointer: toJsonPointer(path.map(step => step.slice(0, shownNameMaxLength))),
      field: field.length > shownNameMaxLength ? `${shownField}…` : field,
      message: `is not a known field${hint}`,
    }
  }

  #isKnown (name: string): boolean {
    const { fields, nested, images } = this.compiled
    return fields.has(name) || nested.has(name) || images.has(name)
  }

  /** Reports dependencies that are already broken: a field that was set cannot be corrected later. */
  checkDependenciesSoFar (): void {
    for (const { check } of this.compiled.dependencies) {
      const broken = check(this.values)
      if (broken !== undefined && this.values.has(broken.field)) {
        this.addError(broken.field, { rule: 'dependency', message: broken.message })
      }
    }
  }

  /** Validates the record as a whole, once all of its fields have been read. */
  finalize (): void {
    for (const name of this.compiled.required) {
      if (!this.values.has(name) && !this.#hasError(name)) this.addError(name, requiredViolation)
    }
    for (const { check } of this.compiled.dependencies) {
      const broken = check(this.values)
      if (broken !== undefined && !this.#hasError(broken.field)) {
        this.addError(broken.field, { rule: 'dependency', message: broken.message })
      }
    }
  }

  #hasError (name: string): boolean {
    return this.#errors?.recorded.has(name) === true
  }

  /** Returns the JSON Pointer of a field and its name in a form. */
  locationOf (name: string, index?: number): FieldLocation {
    const { location, fields } = this.compiled
    const path = [...this.#path, name]
    return {
      pointer: toJsonPointer(index === undefined ? path : [...path, String(index)]),
      field: getFormName(path, location === 'body' && fields.get(name)?.isList === true),
    }
  }

  get knownErrors (): FieldError[] {
    return (this.#errors?.known ?? []).toSorted((a, b) => a.order - b.order).map(({ error }) => error)
  }

  get unknownFieldErrors (): readonly FieldError[] {
    return this.#errors?.unknown ?? []
  }
}

/**
 * Combines the errors of all parts of a request in one problem: those of known fields in the order of the schema, then
 * unknown fields in the order in which they came. A forbidden value is reported only if there are no other errors.
 */
export function validationProblem (validators: readonly RecordValidator[]): Problem | undefined {
  if (!validators.some(validator => validator.hasErrors)) return undefined
  const known = validators.flatMap(validator => validator.knownErrors)
  const unknown = validators.flatMap(validator => validator.unknownFieldErrors)
  const all = [...known, ...unknown]
  if (all.length === 0) return validators.find(validator => validator.forbiddenValue !== undefined)?.forbiddenValue
  const errorsMax = Math.max(...validators.map(({ compiled }) => compiled.errorsMax))
  const errors = all.slice(0, errorsMax)
  const count = all.length === 1 ? 'one error' : `${errors.length} errors`
  const prefix = all.length > errorsMax ? 'more than ' : ''
  return new Problem('validation_failed', `The request has ${prefix}${count} and was not carried out.`, { errors })
}

/** Returns what further validation needs of a value that is not sent: that it is there, and the items of a list. */
function withoutTexts (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTexts)
  return typeof value === 'string' || isJsonObject(value) ? undefined : value
}

function textLength (value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((length, item) => length + textLength(item), 0)
  return typeof value === 'string' ? value.length : 0
}

/** Returns the last step of a name that is percent-encoded, separated by dots or in camel case, as it should be. */
function toSnakeCase (name: string): string {
  const decoded = name.replaceAll(/%5b/gi, '[').replaceAll(/%5d/gi, ']')
  const last = decoded.split(/[[\].]+/).findLast(step => step !== '') ?? ''
  return last.replaceAll(/[A-Z]/g, (letter, index) => `${index === 0 ? '' : '_'}${letter.toLowerCase()}`)
}

/** Copies a part of a text, because V8 keeps the whole text in memory for as long as a part of it. */
function copyText (text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}

/** Returns a JSON Pointer (RFC 6901 §3). */
export function toJsonPointer (path: readonly string[]): string {
  return path.map(step => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
