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
  readonly #byEmail = new Map<string, People>()
  readonly #byOrigin = new Map<string, People>()

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
    if (email !== '') addPerson(this.#byEmail, email, person)
    if (originId !== '') addPerson(this.#byOrigin, normalizeOriginId(originId), person)
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
      { field: 'id', people: typeof id === 'number' ? this.#byId.get(id) : undefined },
      { field: matchField, people: this.#byEmail.get(normalizeEmail(values.get(matchField))) },
      { field: originField ?? '', people: this.#byOrigin.get(normalizeOriginId(originId)) },
    ].flatMap(({ field, people }) => people === undefined ? [] : [{ field, people: [people].flat() }])
    const [first, ...others] = found.map(({ field, people }) => ({ field, people, person: people[0] }))
    if (id !== undefined && first?.field !== 'id') return { kind: 'missing', field: 'id' }
    if (first?.person === undefined) return { kind: 'none' }
    const { field, person } = first
    const several = found.find(({ people }) => id === undefined && people.length > 1)
    const other = several ?? others.find(({ people }) => !people.includes(person))
    if (other !== undefined) return { kind: 'ambiguous', field: other.field }
    // An id that differs in case only may be that of another person.
    const isOtherCase = field === originField && person.originId !== originId
    return { kind: isOtherCase ? 'ambiguous' : 'person', person, field }
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

/** Most values are those of one person. */
type People = KnownPerson | readonly KnownPerson[]

/** A person who is listed twice is one person. */
function addPerson (people: Map<string, People>, value: string, person: KnownPerson): void {
  const others = [people.get(value) ?? []].flat().filter(({ id }) => id !== person.id)
  people.set(value, others.length === 0 ? person : [...others, person])
}

/** Returns the values of a person whose values are kept. */
export function getKnownValues ({ json }: KnownPerson): Record<string, unknown> {
  const values = parseJson(json)
  return isJsonObject(values) ? values : {}
}
