/** Creates and updates users in a batch, as Procore's Sync Company Users does. */
import { serializeUser, type Directory, type ErrorsByField } from './directory.ts'
import { jsonResponse, type EmulatedResponse } from './response.ts'
import type { Settings } from './settings.ts'
import type { User } from './user-map.ts'

const rowsMax = 1000

type Attributes = Record<string, unknown>

/** The company whose users are synced. */
interface SyncTarget {
  directory: Directory
  settings: Settings
  companyId: number
  /** The origin of URLs in the response. */
  origin: string
  now: Date
}

/**
 * Carries out the rows in order. The response is always 200: it has the users of the rows that were carried out, and
 * the attributes of the others as they were sent, with their errors.
 */
export function syncUsers (updates: unknown, target: SyncTarget): EmulatedResponse {
  if (!Array.isArray(updates)) {
    return jsonResponse(400, { error: { code: 'BAD_REQUEST', message: 'param is missing: updates' } })
  }
  if (updates.length > rowsMax) {
    return jsonResponse(422, { errors: { updates: [`must have at most ${rowsMax} items`] } })
  }
  const { syncDropsRows, syncShuffles } = target.settings
  const entities: unknown[] = []
  const errors: unknown[] = []
  const rows: readonly unknown[] = updates
  for (const [index, row] of rows.entries()) {
    const attributes: Attributes = typeof row === 'object' && row !== null ? { ...row } : {}
    const result = syncRow(attributes, target)
    if (syncDropsRows > 0 && (index + 1) % syncDropsRows === 0) continue
    if (result.kind === 'stored') entities.push(serializeUser(result.user, target.origin))
    else errors.push({ ...attributes, errors: result.errors })
  }
  if (syncShuffles) {
    entities.reverse()
    errors.reverse()
  }
  return jsonResponse(200, { entities, errors })
}

type RowResult = { kind: 'stored', user: User } | { kind: 'refused', errors: ErrorsByField }

function syncRow (attributes: Attributes, target: SyncTarget): RowResult {
  const { directory, settings, companyId, now } = target
  const { bid_contact: _, ...values } = directory.castFields(attributes, settings)
  const existing = findExisting(attributes, values, target)
  if (existing === undefined && attributes['id'] !== undefined) {
    return { kind: 'refused', errors: { id: ['does not exist'] } }
  }
  const errors = existing === undefined
    ? directory.validate(companyId, { values }, settings, false)
    : directory.validateUpdate(existing, { values }, settings, false)
  if (Object.keys(errors).length > 0) return { kind: 'refused', errors }
  if (existing === undefined) return { kind: 'stored', user: directory.add(companyId, { values }, now) }
  directory.update(existing, { values }, now)
  return { kind: 'stored', user: existing }
}

/** A row is matched by its id, else by `origin_id`, else by e-mail address if the settings say so. */
function findExisting ({ id }: Attributes, values: Attributes, target: SyncTarget): User | undefined {
  const { directory: { users }, settings, companyId } = target
  if (id !== undefined) {
    const user = users.get(Number(id))
    return user?.companyId === companyId ? user : undefined
  }
  const [sameOrigin] = users.find(companyId, 'origin_id', values['origin_id'])
  if (sameOrigin !== undefined || !settings.syncMatchesEmail) return sameOrigin
  return users.find(companyId, 'email_address', values['email_address'])[0]
}
