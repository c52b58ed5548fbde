/** Emulates Procore's bulk operations on the users of projects (API v2.0), whose ids are strings. */
import type { Directory } from './directory.ts'
import { isObject, parseObject } from './json.ts'
import type { ReceivedRequest } from './recorder.ts'
import { jsonResponse, notFoundResponse, type EmulatedResponse } from './response.ts'
import type { Settings } from './settings.ts'

/** Rows that are carried out at once. */
const rowsMax = 50

type Operation = 'bulk_add' | 'bulk_remove'
type Row = Record<string, unknown>

interface Batch {
  id: string
  operation: Operation
  companyId: number
  total: number
  pending: readonly Row[]
  failures: number
}

/** The result of one row. */
interface RowResult {
  userId: string
  projectId: string
  /** Present if the row was refused. */
  error?: string
}

interface Membership {
  templateId: unknown
  roleIds: unknown
}

/** The users of all projects. The projects of a company are 1 to `projectCount`. */
export class ProjectUsers {
  readonly #directory: Directory
  /** By company, project and user. */
  readonly memberships = new Map<string, Membership>()
  /** Queued operations by id. */
  readonly batches = new Map<string, Batch>()

  constructor (directory: Directory) {
    this.#directory = directory
  }

  /** @param subpath after `/users/` */
  respond (
    { method, body }: ReceivedRequest, companyId: number, subpath: string, settings: Settings
  ): EmulatedResponse {
    const [, batchId = ''] = /^bulk\/status\/([\w-]+)$/.exec(subpath) ?? []
    if (method === 'GET') return this.#showBatch(this.batches.get(batchId), companyId, settings)
    const isOperation = subpath === 'bulk_add' || subpath === 'bulk_remove'
    if (method !== 'POST' || !isOperation) return notFoundResponse()
    const users = parseObject(body)?.['users']
    if (!Array.isArray(users) || users.length === 0) {
      return jsonResponse(400, { error: { code: 'BAD_REQUEST', message: 'users is missing' } })
    }
    const rows = users.filter(isObject)
    if (rows.length > rowsMax) return this.#queue(subpath, companyId, rows)
    const results = rows.map(row => this.#carryOut(subpath, companyId, row, settings))
    return subpath === 'bulk_add' ? addedResponse(results) : removedResponse(results)
  }

  #queue (operation: Operation, companyId: number, pending: readonly Row[]): EmulatedResponse {
    const id = `batch-${this.batches.size + 1}abc`
    this.batches.set(id, { id, operation, companyId, total: pending.length, pending, failures: 0 })
    return jsonResponse(202, { data: [{ status: 'accepted', batch_id: id }] })
  }

  /** A batch goes on each time that its status is read, so that tests need not wait. */
  #showBatch (batch: Batch | undefined, companyId: number, settings: Settings): EmulatedResponse {
    if (batch?.companyId !== companyId) return notFoundResponse()
    const { id, operation, total, pending } = batch
    const results = pending.slice(0, rowsMax).map(row => this.#carryOut(operation, companyId, row, settings))
    batch.pending = pending.slice(rowsMax)
    batch.failures += results.filter(({ error }) => error !== undefined).length
    const description = operation === 'bulk_add' ? 'Add users to projects' : 'Remove users from projects'
    const status = { bid: id, description, is_complete: batch.pending.length === 0, total }
    return jsonResponse(200, { data: { ...status, pending: batch.pending.length, failures: batch.failures } })
  }

  /** A user who is in the project already keeps its permission template. */
  #carryOut (operation: Operation, companyId: number, row: Row, { projectCount, managedUserIds }: Settings): RowResult {
    const userId = String(row['user_id'])
    const projectId = String(row['project_id'])
    const user = this.#directory.users.get(Number(userId))
    if (user?.companyId !== companyId) return { userId, projectId, error: 'User not found' }
    if (!(Number(projectId) <= projectCount)) return { userId, projectId, error: 'Project not found' }
    const membershipId = `${companyId}/${projectId}/${userId}`
    if (operation === 'bulk_remove') {
      if (managedUserIds.includes(user.id)) return { userId, projectId, error: 'skipped_managed' }
      this.memberships.delete(membershipId)
    } else if (!this.memberships.has(membershipId)) {
      const { permission_template_id: templateId, project_role_ids: roleIds } = row
      this.memberships.set(membershipId, { templateId, roleIds })
    }
    return { userId, projectId }
  }
}

/** 207 if any row was refused. */
function addedResponse (results: readonly RowResult[]): EmulatedResponse {
  const added = results.filter(({ error }) => error === undefined)
  const refused = results.filter(({ error }) => error !== undefined)
  const entities = groupByUser(added).map(({ userId, rows }) => {
    return { userId, projects: rows.map(({ projectId }) => ({ projectId })) }
  })
  const errors = groupByUser(refused).map(({ userId, rows }) => {
    return { userId, errors: rows.map(({ projectId, error }) => ({ projectId, message: error })) }
  })
  return jsonResponse(errors.length === 0 ? 200 : 207, { data: [{ entities }], errors })
}

function removedResponse (results: readonly RowResult[]): EmulatedResponse {
  const data = groupByUser(results).map(({ userId, rows }) => {
    return { [userId]: Object.fromEntries(rows.map(({ projectId, error }) => [projectId, error ?? 'success'])) }
  })
  return jsonResponse(200, { data })
}

function groupByUser (results: readonly RowResult[]): Array<{ userId: string, rows: RowResult[] }> {
  const userIds = [...new Set(results.map(({ userId }) => userId))]
  return userIds.map(userId => ({ userId, rows: results.filter(row => row.userId === userId) }))
}
