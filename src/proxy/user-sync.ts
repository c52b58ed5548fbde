/**
 * Sends rows of users that Procore creates or updates in a batch. The users of the directory that the rows may concern
 * are checked first: the service account may change every user, administrators included; its callers may not.
 */
import type { FieldValues, ProxiedEndpoint, UserSync, ValueRestriction } from '../endpoints/endpoint.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { readDirectory, type DirectoryPerson } from '../procore/directory.ts'
import { normalizeEmail, normalizeOriginId } from '../procore/recovery/normalize.ts'
import type { UpstreamFailure } from '../procore/result.ts'
import { Problem } from '../server/problem.ts'
import type { EndpointRequest } from './context.ts'
import { failUnread, findForbiddenField, notSent, type SendToProcore } from './record-guard.ts'
import { getRows, withRowResults } from './row-results.ts'
import { getCompanyId } from './validation/parameters.ts'
import type { OperationCheck } from './validation/record.ts'

/** Returns undefined if the endpoint is not a sync. */
export function withUserSync ({ sync, body }: ProxiedEndpoint, procore: ProcoreClient): SendToProcore | undefined {
  if (sync === undefined || body === undefined) return undefined
  const { rootKey } = body
  return async (request, call) => {
    const rows = getRows(request, rootKey)
    const checked = await checkUsers({ procore, request, rows, sync })
    if (checked.kind === 'refused') {
      return notSent(checked.problem.withExtras({}, `Nothing was sent because of ${rootKey}[${checked.index}].`))
    }
    if (checked.kind === 'failure') return checked
    const result = await procore.send(call)
    return result.kind === 'success' ? withRowResults(result, rows, rootKey, checked.existingIds) : result
  }
}

interface UserCheck {
  procore: ProcoreClient
  request: EndpointRequest
  rows: readonly FieldValues[]
  sync: UserSync
}

/** The rows may be sent, and the ids of all users are known if the directory was read; or the row that must not be. */
type CheckedUsers =
  | { kind: 'allowed', existingIds: ReadonlySet<number> | undefined }
  | { kind: 'refused', index: number, problem: Problem }

/** Reads the directory, which costs requests of the rate limit, only if the result depends on it. */
async function checkUsers (
  { procore, request, rows, sync }: UserCheck
): Promise<CheckedUsers | UpstreamFailure> {
  const { restriction } = sync
  const { path, query, checkOperation, record, callerId, usage, signal } = request
  const isRestricted = restriction.values.size > 0
  if (!isRestricted && !lacksScope(rows, sync, checkOperation)) return { kind: 'allowed', existingIds: undefined }
  const rowsByValue = new RowsByValue(rows)
  const existingIds = new Set<number>()
  const problems = new Map<number, Problem>()
  const context = { companyId: getCompanyId(path, query), callerId, record, signal }
  const read = await readDirectory(procore, context, {
    purpose: 'change',
    countResponseBytes: bytes => usage.add('bytes', bytes),
    onPerson: person => {
      existingIds.add(person.id)
      for (const { row, index } of rowsByValue.findConcerning(person)) {
        const problem = findRowProblem(row, person, sync, checkOperation)
        if (problem !== undefined) problems.set(index, problem)
      }
    },
  })
  if (read.kind !== 'complete') return failUnread(read, request)
  for (const [index, row] of isRestricted ? rows.entries() : []) {
    const id = row.get('id')
    if (typeof id === 'number' && !existingIds.has(id)) problems.set(index, unlistedProblem(restriction))
  }
  const index = Math.min(...problems.keys())
  const problem = problems.get(index)
  return problem === undefined ? { kind: 'allowed', existingIds } : { kind: 'refused', index, problem }
}

const unlistedProblem = ({ code }: ValueRestriction) =>
  new Problem(code, 'Procore does not list the user, so its values cannot be checked.')

/** Whether a row needs a scope that the caller lacks, if its user exists. */
function lacksScope (
  rows: readonly FieldValues[], { updateOperation, loginRestriction }: UserSync, checkOperation: OperationCheck
): boolean {
  const operations = [updateOperation, loginRestriction.operation]
  return rows.some(row => !row.has('id')) && operations.some(operation => checkOperation(operation) !== undefined)
}

/**
 * Returns why a row must not be sent if Procore matches it with this user. The scopes of a row with an id depend on its
 * fields only, and were checked with them.
 */
function findRowProblem (
  row: FieldValues,
  person: DirectoryPerson,
  { restriction, loginRestriction, updateOperation }: UserSync,
  checkOperation: OperationCheck
): Problem | undefined {
  const field = restriction.values.size === 0 ? undefined : findForbiddenField(person.record, restriction)
  if (field !== undefined) {
    return new Problem(restriction.code, `The ${field} of an existing user is not one that callers may assign.`)
  }
  if (row.has('id')) return undefined
  return checkOperation(updateOperation) ??
    (changesLogin(row, person) ? checkOperation(loginRestriction.operation) : undefined)
}

/** It is not known whether Procore makes an inactive user active whose row does not say so. */
function changesLogin (row: FieldValues, { record, isActive }: DirectoryPerson): boolean {
  const isOtherAddress = normalizeEmail(row.get('email_address')) !== normalizeEmail(record['email_address'])
  return isOtherAddress || (row.get('is_active') ?? true) !== isActive
}

interface NumberedRow { row: FieldValues, index: number }
type Rows<Value> = ReadonlyMap<Value, readonly NumberedRow[]>

/** Rows by the values by which Procore may match them with a user. */
class RowsByValue {
  readonly #byId: Rows<unknown>
  readonly #byOrigin: Rows<string>
  readonly #byEmail: Rows<string>

  constructor (rows: readonly FieldValues[]) {
    const numbered = rows.map((row, index) => ({ row, index }))
    this.#byId = Map.groupBy(numbered, ({ row }) => row.get('id'))
    this.#byOrigin = Map.groupBy(numbered, ({ row }) => normalizeOriginId(row.get('origin_id')))
    this.#byEmail = Map.groupBy(numbered, ({ row }) => normalizeEmail(row.get('email_address')))
  }

  /** Returns the rows that may concern the user. */
  findConcerning ({ id, record }: DirectoryPerson): ReadonlySet<NumberedRow> {
    const origin = normalizeOriginId(record['origin_id'])
    const email = normalizeEmail(record['email_address'])
    return new Set([
      ...this.#byId.get(id) ?? [],
      ...(origin === '' ? [] : this.#byOrigin.get(origin) ?? []),
      ...(email === '' ? [] : this.#byEmail.get(email) ?? []),
    ])
  }
}
