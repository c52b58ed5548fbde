/** The stored users, indexed by company and by the values that are unique in a company. */

/** A stored user; `serializeUser` builds the JSON of a response. */
export interface User {
  id: number
  companyId: number
  values: Record<string, unknown>
  avatar: Buffer | undefined
  createdAt: string
  updatedAt: string
  /** How many invitations were sent. */
  invitations: number
}

/** The fields whose values are unique in a company. */
export type UniqueField = 'email_address' | 'origin_id'

export const uniqueFields: readonly UniqueField[] = ['email_address', 'origin_id']

/** Users by id. A user is found by a unique value without a search, so that 100,000 users can be imported. */
export class UserMap extends Map<number, User> {
  readonly #byCompany = new Map<number, Set<User>>()
  readonly #byValue = new Map<string, Set<User>>()

  override set (id: number, user: User): this {
    this.delete(id)
    addTo(this.#byCompany, user.companyId, user)
    for (const indexKey of indexKeys(user)) addTo(this.#byValue, indexKey, user)
    return super.set(id, user)
  }

  override delete (id: number): boolean {
    const user = this.get(id)
    if (user === undefined) return false
    removeFrom(this.#byCompany, user.companyId, user)
    for (const indexKey of indexKeys(user)) removeFrom(this.#byValue, indexKey, user)
    return super.delete(id)
  }

  override clear (): void {
    this.#byCompany.clear()
    this.#byValue.clear()
    super.clear()
  }

  /** Changes values of a stored user. The user keeps its place in the lists. */
  assign (user: User, values: Record<string, unknown>): void {
    for (const indexKey of indexKeys(user)) removeFrom(this.#byValue, indexKey, user)
    Object.assign(user.values, values)
    for (const indexKey of indexKeys(user)) addTo(this.#byValue, indexKey, user)
  }

  /** Returns the users of one company, the oldest first. */
  listCompany (companyId: number): User[] {
    return [...this.#byCompany.get(companyId) ?? []]
  }

  /** Returns the users of a company that have this value, the oldest first. No user has a blank value. */
  find (companyId: number, field: UniqueField, value: unknown): User[] {
    return isBlank(value) ? [] : [...this.#byValue.get(indexKey(companyId, field, value)) ?? []]
  }
}

export const isBlank = (value: unknown) => String(value ?? '').trim() === ''

const indexKeys = ({ companyId, values }: User) => uniqueFields
  .filter(field => !isBlank(values[field]))
  .map(field => indexKey(companyId, field, values[field]))

/** E-mail addresses are compared case-insensitively. */
function indexKey (companyId: number, field: UniqueField, value: unknown): string {
  const text = field === 'email_address' ? String(value).toLowerCase() : String(value)
  return `${companyId} ${field} ${text}`
}

function addTo<Key> (index: Map<Key, Set<User>>, key: Key, user: User): void {
  const users = index.get(key)
  if (users === undefined) index.set(key, new Set([user]))
  else users.add(user)
}

function removeFrom<Key> (index: Map<Key, Set<User>>, key: Key, user: User): void {
  const users = index.get(key)
  users?.delete(user)
  if (users?.size === 0) index.delete(key)
}
