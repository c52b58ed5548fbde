/**
 * A record in the making: values are put in as they are read, in any order, and each is judged at once; what can only be judged
 * at the end (what is missing, what depends on another field) is judged when the draft is finished.
 */
import { Problem, type FieldError } from '../../server/problem.ts'
import { validateField, requiredViolation, typeViolation, type Violation, type CompiledField, type CompiledRecord } from './schema.ts'
import { coerceText, invalidText } from './coerce.ts'
import { toJsonPointer } from './json-pointer.ts'

/** Most faults that one answer tells. */
const errorsMax = 50
/** Longest name of an unknown field that an answer repeats, in characters. */
const shownNameMaxLength = 256

class ErrorList {
  readonly known: Array<{ order: number, fault: FieldError }> = []
  readonly unknown: FieldError[] = []
  /** Names of fields that have a fault, and of each fault of theirs. */
  readonly faulty = new Set<string>()
}

/** Values are put, `finish` is called once at the end, and then the faults are asked for. Faults are limited when they are told. */
export class RecordValidator {
  readonly compiled: CompiledRecord
  readonly values = new Map<string, unknown>()
  // Most drafts have no faults, and only those of forms note what came: what is seldom needed is made when it is.
  #seen: Set<string> | undefined
  #errors: ErrorList | undefined
  /** The first value that is valid, but not the caller's to give. */
  #forbiddenValue: Problem | undefined

  constructor (shape: CompiledRecord) {
    this.compiled = shape
  }

  /** Whether it can't be sent any more. */
  get hasErrors (): boolean {
    return this.#errors !== undefined || this.#forbiddenValue !== undefined
  }

  get forbiddenValue (): Problem | undefined {
    return this.#forbiddenValue
  }

  /** Notes that a field came; the second time is a fault, and its value must not be put. */
  markSeen (name: string): boolean {
    this.#seen ??= new Set()
    if (!this.#seen.has(name)) {
      this.#seen.add(name)
      return true
    }
    this.addError(name, { rule: 'duplicate', message: 'must be given once' })
    return false
  }

  /** Puts a typed value, as JSON has them. */
  set (field: CompiledField, value: unknown): void {
    const complaint = validateField(field, value)
    if (complaint !== undefined) return this.addError(field.name, complaint)
    const restriction = this.compiled.restrictions.get(field.name)
    if (restriction === undefined || restriction.values.has(value)) this.values.set(field.name, value)
    else this.#forbiddenValue ??= new Problem(restriction.code, `${this.locationOf(field.name).field} ${restriction.message}.`)
  }

  /** Puts a value that came as text, as forms, queries and paths have them; returns whether a valid value stands now. */
  setText (field: CompiledField, text: string, emptyIsAbsent: boolean): boolean {
    if (text === '' && emptyIsAbsent && field.emptyIsAbsent) return false
    const value = coerceText(field, text)
    if (value === invalidText) this.addError(field.name, typeViolation(field))
    else this.set(field, value)
    return this.values.has(field.name)
  }

  /** Notes a fault of a field or the file of the record, once for each rule. */
  addError (name: string, { rule, message }: Violation): void {
    const faults = this.#errors ??= new ErrorList()
    if (faults.faulty.has(`${name} ${rule}`)) return
    faults.faulty.add(name).add(`${name} ${rule}`)
    const { fields, image } = this.compiled
    faults.known.push({ order: fields.get(name)?.index ?? image?.order ?? 0, fault: { in: this.compiled.location, ...this.locationOf(name), rule, message } })
  }

  /** Notes a fault of the record itself or of what holds it. */
  addRecordError (pointer: string, field: string, { rule, message }: Violation): void {
    this.#errors ??= new ErrorList()
    this.#errors.known.push({ order: -1, fault: { in: this.compiled.location, pointer, field, rule, message } })
  }

  /** Notes a field that the description does not have. `path` leads to it from the root of the part. */
  addUnknownField (path: readonly string[], field: string): void {
    const shown = field.length > shownNameMaxLength ? `${field.slice(0, shownNameMaxLength)}…` : field
    const fault: FieldError = { in: this.compiled.location, pointer: toJsonPointer(path.map(step => step.slice(0, shownNameMaxLength))), field: shown, rule: 'unknown', message: 'is not a field that Procore has' }
    const { unknown } = this.#errors ??= new ErrorList()
    if (unknown.length < errorsMax && !unknown.some(({ pointer }) => pointer === fault.pointer)) unknown.push(fault)
  }

  /** Judges what is settled although the end has not come: a dependency whose field was given can't be mended any more. */
  checkDependenciesSoFar (): void {
    for (const dependency of this.compiled.dependencies) {
      const broken = dependency(this.values)
      if (broken !== undefined && this.values.has(broken.field)) this.addError(broken.field, { rule: 'dependency', message: broken.message })
    }
  }

  /** Judges what only the end can tell. */
  finalize (): void {
    for (const field of this.compiled.required) {
      if (!this.values.has(field.name) && !this.#hasError(field.name)) this.addError(field.name, requiredViolation)
    }
    for (const dependency of this.compiled.dependencies) {
      const broken = dependency(this.values)
      if (broken !== undefined && !this.#hasError(broken.field)) this.addError(broken.field, { rule: 'dependency', message: broken.message })
    }
  }

  #hasError (name: string): boolean {
    return this.#errors?.faulty.has(name) === true
  }

  /** Pointer and form name of a field. */
  locationOf (name: string): { pointer: string, field: string } {
    const { rootKey } = this.compiled
    return rootKey === undefined
      ? { pointer: toJsonPointer([name]), field: name }
      : { pointer: toJsonPointer([rootKey, name]), field: `${rootKey}[${name}]` }
  }

  get knownErrors (): FieldError[] {
    return (this.#errors?.known ?? []).toSorted((a, b) => a.order - b.order).map(({ fault }) => fault)
  }

  get unknownFieldErrors (): readonly FieldError[] {
    return this.#errors?.unknown ?? []
  }
}

/**
 * All faults of all parts as one problem: those of known fields in the order of the schema, then the unknown fields as they came.
 * What a caller may not give is told once there is nothing to mend.
 */
export function validationProblem (drafts: readonly RecordValidator[]): Problem | undefined {
  if (!drafts.some(draft => draft.hasErrors)) return undefined
  const errors = [...drafts.flatMap(draft => draft.knownErrors), ...drafts.flatMap(draft => draft.unknownFieldErrors)].slice(0, errorsMax)
  if (errors.length === 0) return drafts.find(({ forbiddenValue }) => forbiddenValue !== undefined)?.forbiddenValue
  const count = errors.length === 1 ? 'one fault' : `${errors.length} faults`
  return new Problem('validation_failed', `The request has ${count}; it was not carried out.`, { errors })
}
