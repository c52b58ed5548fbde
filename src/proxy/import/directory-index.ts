/** The people of a company's directory, as far as an import needs them to find the person that a row is about. */
import type { FieldValues, LookupSpec } from '../../endpoints/endpoint.ts'
import { limits } from '../../config/limits.ts'
import type { DirectoryPerson } from '../../procore/directory.ts'
import { normalizeEmail, normalizeOriginId, normalizeText } from '../../procore/recovery/normalize.ts'
import { Problem } from '../../server/problem.ts'
import { isJsonObject } from '../../util/is-json-object.ts'
import { parseJson } from '../../util/parse-json.ts'

/** A person in the directory. */
export interface KnownPerson {
  id: number
  originId: string
  /** The fields of a row that the directory shows, as JSON; empty if the import only creates. */
  json: string
}

/** What the directory says about a row. */
export type Match =
  | { kind: 'none' }
  | { kind: 'person', person: KnownPerson, field: string }
  /** Its values are those of several people. */
  | { kind: 'ambiguous', field: string }
  /** It names a person that the directory does not have. */
  | { kind: 'missing', field: string }

export interface IndexOptions {
  lookup: Pick<LookupSpec, 'matchField' | 'originField' | 'fieldPaths'>
  /** Names of the fields of a row. */
  fields: readonly string[]
  /** Whether the values of people are needed. */
  keepsValues: boolean
}

/** Holds at most `limits.imports.directoryMax` people. */
export class DirectoryIndex {
  readonly #options: IndexOptions
  readonly #byId = new Map<number, KnownPerson>()
  readonly #byEmail = new Map<string, KnownPerson>()
  readonly #byOrigin = new Map<string, KnownPerson>()

  constructor (options: IndexOptions) {
    this.#options = options
  }

  /** @throws {Problem} `overloaded` */
  add ({ id, isActive, record }: DirectoryPerson): void {
    const { lookup: { matchField, originField }, keepsValues } = this.#options
    if (this.#byId.size >= limits.imports.directoryMax) {
      const detail = `The directory has more than ${limits.imports.directoryMax} people.`
      throw new Problem('overloaded', detail, { outcome: 'not_sent' })
    }
    const originId = originField === undefined ? '' : normalizeText(record[originField])
    const json = keepsValues ? JSON.stringify({ ...this.#pickFields(record), is_active: isActive }) : ''
    const person = { id, originId, json }
    this.#byId.set(id, person)
    const email = normalizeEmail(record[matchField])
    if (email !== '') this.#byEmail.set(email, person)
    if (originId !== '') this.#byOrigin.set(normalizeOriginId(originId), person)
  }

  has (id: number): boolean {
    return this.#byId.has(id)
  }

  /** Finds the person by each of the values that Procore may identify it by. */
  find (values: FieldValues): Match {
    const { matchField, originField } = this.#options.lookup
    const id = values.get('id')
    const originId = originField === undefined ? '' : normalizeText(values.get(originField))
    const found = [
      { field: 'id', person: typeof id === 'number' ? this.#byId.get(id) : undefined },
      { field: matchField, person: this.#byEmail.get(normalizeEmail(values.get(matchField))) },
      { field: originField ?? '', person: this.#byOrigin.get(normalizeOriginId(originId)) },
    ].flatMap(({ field, person }) => person === undefined ? [] : [{ field, person }])
    const [first, ...others] = found
    if (id !== undefined && first?.field !== 'id') return { kind: 'missing', field: 'id' }
    if (first === undefined) return { kind: 'none' }
    const other = others.find(({ person }) => person !== first.person)
    if (other !== undefined) return { kind: 'ambiguous', field: other.field }
    // An id that differs in case only may be that of another person.
    const isOtherCase = first.field === originField && first.person.originId !== originId
    return { kind: isOtherCase ? 'ambiguous' : 'person', ...first }
  }

  #pickFields (record: Record<string, unknown>): Record<string, unknown> {
    const { fields, lookup: { fieldPaths = {} } } = this.#options
    return Object.fromEntries(fields.flatMap(name => {
      const path = fieldPaths[name] ?? [name]
      const value = path.reduce<unknown>((parent, step) => isJsonObject(parent) ? parent[step] : undefined, record)
      return value === undefined ? [] : [[name, value]]
    }))
  }
}

/** Returns the values of a person whose values are kept. */
export function getKnownValues ({ json }: KnownPerson): Record<string, unknown> {
  const values = parseJson(json)
  return isJsonObject(values) ? values : {}
}
