/**
 * Reads what Procore's response to a sync says about each row. The response does not number the rows: it has the users
 * that were created or updated, and the attributes of the rejected rows as they were sent.
 */
import type { FieldError } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseMessages, type ProcoreMessage } from './error-messages.ts'
import type { JsonObject } from './recovery/lookup.ts'
import { normalizeEmail, normalizeText } from './recovery/normalize.ts'

/** The values of a row that was sent, by field name. */
type RowValues = ReadonlyMap<string, unknown>

/** What became of one row. The pointers of its errors are relative to the row. */
export type SyncRowResult =
  | { status: 'created' | 'updated', id: number }
  | { status: 'rejected', errors: readonly FieldError[] }
  | { status: 'unknown' }

/**
 * Returns the result of each row, in the order in which they were sent. A row is `unknown` if the response does not
 * mention it, mentions it both as stored and as rejected, or mentions several rows in the same words.
 * @param body the parsed response; of another shape than documented, it says nothing about any row
 * @param existedBefore whether the user of a row without `id` existed before the sync
 */
export function matchSyncRows (
  sent: readonly RowValues[], body: unknown, existedBefore: (user: JsonObject, id: number) => boolean
): readonly SyncRowResult[] {
  const response = parseResponse(body)
  if (response === undefined) return sent.map(() => unknown)
  const rows = sent.map((values, index) => toMention(index, Object.fromEntries(values)))
  const users = response.entities.map((user, index) => toMention(index, user))
  const refusals = response.errors.map(({ errors: _, ...attributes }, index) => toMention(index, attributes))
  const rejected = pairUp(rows, refusals, ['attributes', ...identifyingKeys])
  const stored = pairUp(rows.filter(({ index }) => !rejected.itemOf.has(index)), users, identifyingKeys)
  return rows.map((row): SyncRowResult => {
    if (rejected.ambiguous.has(row.index) || stored.ambiguous.has(row.index)) return unknown
    const refusal = response.errors[rejected.itemOf.get(row.index) ?? -1]
    if (refusal !== undefined) {
      const isStoredToo = stored.unpaired.some(user => isSame(row, user))
      return isStoredToo ? unknown : { status: 'rejected', errors: toFieldErrors(refusal) }
    }
    const user = response.entities[stored.itemOf.get(row.index) ?? -1]
    const id = user?.['id']
    if (user === undefined || !isId(id)) return unknown
    return { status: row.id !== undefined || existedBefore(user, id) ? 'updated' : 'created', id }
  })
}

const unknown: SyncRowResult = { status: 'unknown' }

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0

/** A list that is absent is empty: the rows that it would have are then `unknown`. */
function parseResponse (body: unknown): { entities: JsonObject[], errors: JsonObject[] } | undefined {
  if (!isJsonObject(body)) return undefined
  const { entities = [], errors = [] } = body
  if (!Array.isArray(entities) || !Array.isArray(errors)) return undefined
  return { entities: entities.filter(isJsonObject), errors: errors.filter(isJsonObject) }
}

/** The values by which a row, a user or a rejected row is recognized, normalized; undefined if it has none. */
interface Mention {
  index: number
  id: string | undefined
  origin: string | undefined
  email: string | undefined
  /** All attributes. */
  attributes: string
}

type MentionKey = Exclude<keyof Mention, 'index'>

/** The most certain key first. */
const identifyingKeys: readonly MentionKey[] = ['id', 'origin', 'email']

function toMention (index: number, record: JsonObject): Mention {
  return {
    index,
    id: normalizeText(record['id']) || undefined,
    origin: normalizeText(record['origin_id']) || undefined,
    email: normalizeEmail(record['email_address']) || undefined,
    attributes: JSON.stringify(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1)),
  }
}

/** Items (users or rejected rows) by the row that they are about. */
interface Pairs {
  /** Index of the item of each row. */
  itemOf: ReadonlyMap<number, number>
  /** Indexes of rows that share an item with other rows, or have several items. */
  ambiguous: ReadonlySet<number>
  /** Items of no row. */
  unpaired: readonly Mention[]
}

/** Pairs rows and items that have the same value of a key, one key after the other. */
function pairUp (rows: readonly Mention[], items: readonly Mention[], keys: readonly MentionKey[]): Pairs {
  const itemOf = new Map<number, number>()
  const ambiguous = new Set<number>()
  let openRows = rows
  let openItems = items
  for (const key of keys) {
    const itemsByValue = groupBy(openItems, key)
    const paired = new Set<Mention>()
    for (const [value, sameRows] of groupBy(openRows, key)) {
      const sameItems = itemsByValue.get(value) ?? []
      const [row] = sameRows
      const [item] = sameItems
      if (value === undefined || row === undefined || item === undefined) continue
      const isOneToOne = sameRows.length === 1 && sameItems.length === 1
      if (isOneToOne && contradicts(row, item)) continue
      for (const mention of [...sameRows, ...sameItems]) paired.add(mention)
      if (isOneToOne) itemOf.set(row.index, item.index)
      else for (const { index } of sameRows) ambiguous.add(index)
    }
    openRows = openRows.filter(row => !paired.has(row))
    openItems = openItems.filter(item => !paired.has(item))
  }
  return { itemOf, ambiguous, unpaired: openItems }
}

/** V8's `Map.groupBy` allocates memory that only full garbage collections free. */
function groupBy (mentions: readonly Mention[], key: MentionKey): Map<string | undefined, Mention[]> {
  const groups = new Map<string | undefined, Mention[]>()
  for (const mention of mentions) {
    const group = groups.get(mention[key])
    if (group === undefined) groups.set(mention[key], [mention])
    else group.push(mention)
  }
  return groups
}

/** Whether both have an id, of Procore or of the system of origin, and not the same one. */
const contradicts = (row: Mention, item: Mention) =>
  (['id', 'origin'] as const).some(key => row[key] !== undefined && item[key] !== undefined && row[key] !== item[key])

const isSame = (row: Mention, item: Mention) =>
  !contradicts(row, item) && identifyingKeys.some(key => row[key] !== undefined && row[key] === item[key])

function toFieldErrors ({ errors }: JsonObject): readonly FieldError[] {
  const messages = parseMessages({ errors })
  return (messages.length > 0 ? messages : [{ message: 'was rejected by Procore' }]).map(toFieldError)
}

/** Procore names a field with or without its record: `user.origin_id`, `user[origin_id]` or `origin_id`. */
function toFieldError ({ field = '', message }: ProcoreMessage): FieldError {
  const name = /^(?:\w+[.[])?(\w+)\]?$/.exec(field)?.[1] ?? 'base'
  const isRow = name === 'base'
  return { in: 'body', pointer: isRow ? '' : `/${name}`, field: isRow ? '' : name, rule: 'procore', message }
}
