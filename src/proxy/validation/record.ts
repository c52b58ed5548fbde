/**
 * A record in the making: values are put in as they are read, in any order, and each is judged at once; what can only be judged
 * at the end (what is missing, what depends on another field) is judged when the draft is finished.
 */
import { Problem, type FieldError } from '../../server/problem.ts'
import { judgeField, missing, wrongType, type Complaint, type FieldShape, type Shape } from './schema.ts'
import { fromText, unreadable } from './coerce.ts'

/** Most faults that one answer tells. */
const faultsMax = 50
/** Longest name of an unknown field that an answer repeats, in characters. */
const shownNameMaxLength = 256

class Faults {
  readonly known: Array<{ order: number, fault: FieldError }> = []
  readonly unknown: FieldError[] = []
  /** Names of fields that have a fault, and of each fault of theirs. */
  readonly faulty = new Set<string>()
}

/** Values are put, `finish` is called once at the end, and then the faults are asked for. Faults are limited when they are told. */
export class Draft {
  readonly shape: Shape
  readonly values = new Map<string, unknown>()
  // Most drafts have no faults, and only those of forms note what came: what is seldom needed is made when it is.
  #seen: Set<string> | undefined
  #faults: Faults | undefined
  /** The first value that is valid, but not the caller's to give. */
  #forbidden: Problem | undefined

  constructor (shape: Shape) {
    this.shape = shape
  }

  /** Whether it can't be sent any more. */
  get isFaulty (): boolean {
    return this.#faults !== undefined || this.#forbidden !== undefined
  }

  get forbidden (): Problem | undefined {
    return this.#forbidden
  }

  /** Notes that a field came; the second time is a fault, and its value must not be put. */
  comesFirst (name: string): boolean {
    this.#seen ??= new Set()
    if (!this.#seen.has(name)) {
      this.#seen.add(name)
      return true
    }
    this.complain(name, { rule: 'duplicate', message: 'must be given once' })
    return false
  }

  /** Puts a typed value, as JSON has them. */
  put (field: FieldShape, value: unknown): void {
    const complaint = judgeField(field, value)
    if (complaint !== undefined) return this.complain(field.name, complaint)
    const restriction = this.shape.restrictions.get(field.name)
    if (restriction === undefined || restriction.values.has(value)) this.values.set(field.name, value)
    else this.#forbidden ??= new Problem(restriction.code, `${this.locate(field.name).field} ${restriction.message}.`)
  }

  /** Puts a value that came as text, as forms, queries and paths have them; returns whether a valid value stands now. */
  putText (field: FieldShape, text: string, emptyIsAbsent: boolean): boolean {
    if (text === '' && emptyIsAbsent && field.emptyIsAbsent) return false
    const value = fromText(field, text)
    if (value === unreadable) this.complain(field.name, wrongType(field))
    else this.put(field, value)
    return this.values.has(field.name)
  }

  /** Notes a fault of a field or the file of the record, once for each rule. */
  complain (name: string, { rule, message }: Complaint): void {
    const faults = this.#faults ??= new Faults()
    if (faults.faulty.has(`${name} ${rule}`)) return
    faults.faulty.add(name).add(`${name} ${rule}`)
    const { fields, image } = this.shape
    faults.known.push({ order: fields.get(name)?.order ?? image?.order ?? 0, fault: { in: this.shape.part, ...this.locate(name), rule, message } })
  }

  /** Notes a fault of the record itself or of what holds it. */
  complainOf (pointer: string, field: string, { rule, message }: Complaint): void {
    this.#faults ??= new Faults()
    this.#faults.known.push({ order: -1, fault: { in: this.shape.part, pointer, field, rule, message } })
  }

  /** Notes a field that the description does not have. `path` leads to it from the root of the part. */
  noteUnknown (path: readonly string[], field: string): void {
    const shown = field.length > shownNameMaxLength ? `${field.slice(0, shownNameMaxLength)}…` : field
    const fault: FieldError = { in: this.shape.part, pointer: pointerTo(path.map(step => step.slice(0, shownNameMaxLength))), field: shown, rule: 'unknown', message: 'is not a field that Procore has' }
    const { unknown } = this.#faults ??= new Faults()
    if (unknown.length < faultsMax && !unknown.some(({ pointer }) => pointer === fault.pointer)) unknown.push(fault)
  }

  /** Judges what is settled although the end has not come: a dependency whose field was given can't be mended any more. */
  judgeGiven (): void {
    for (const dependency of this.shape.dependencies) {
      const broken = dependency(this.values)
      if (broken !== undefined && this.values.has(broken.field)) this.complain(broken.field, { rule: 'dependency', message: broken.message })
    }
  }

  /** Judges what only the end can tell. */
  finish (): void {
    for (const field of this.shape.required) {
      if (!this.values.has(field.name) && !this.#isFaulty(field.name)) this.complain(field.name, missing)
    }
    for (const dependency of this.shape.dependencies) {
      const broken = dependency(this.values)
      if (broken !== undefined && !this.#isFaulty(broken.field)) this.complain(broken.field, { rule: 'dependency', message: broken.message })
    }
  }

  #isFaulty (name: string): boolean {
    return this.#faults?.faulty.has(name) === true
  }

  /** Pointer and form name of a field. */
  locate (name: string): { pointer: string, field: string } {
    const { key } = this.shape
    return key === undefined
      ? { pointer: pointerTo([name]), field: name }
      : { pointer: pointerTo([key, name]), field: `${key}[${name}]` }
  }

  get knownFaults (): FieldError[] {
    return (this.#faults?.known ?? []).toSorted((a, b) => a.order - b.order).map(({ fault }) => fault)
  }

  get unknownFaults (): readonly FieldError[] {
    return this.#faults?.unknown ?? []
  }
}

/** JSON Pointer (RFC 6901 §3). */
export function pointerTo (path: readonly string[]): string {
  return path.map(step => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/**
 * All faults of all parts as one problem: those of known fields in the order of the schema, then the unknown fields as they came.
 * What a caller may not give is told once there is nothing to mend.
 */
export function faultsProblem (drafts: readonly Draft[]): Problem | undefined {
  if (!drafts.some(draft => draft.isFaulty)) return undefined
  const errors = [...drafts.flatMap(draft => draft.knownFaults), ...drafts.flatMap(draft => draft.unknownFaults)].slice(0, faultsMax)
  if (errors.length === 0) return drafts.find(({ forbidden }) => forbidden !== undefined)?.forbidden
  const count = errors.length === 1 ? 'one fault' : `${errors.length} faults`
  return new Problem('validation_failed', `The request has ${count}; it was not carried out.`, { errors })
}
