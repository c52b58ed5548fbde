/** Returns the rows of a list, and adds what became of each to Procore's response to a sync. */
import { limits } from '../config/limits.ts'
import { getFormName, type FieldValues } from '../endpoints/endpoint.ts'
import type { JsonObject } from '../procore/recovery/lookup.ts'
import type { UpstreamFailure, UpstreamSuccess } from '../procore/result.ts'
import { matchSyncRows, type SyncRowResult } from '../procore/sync-result.ts'
import { Problem, type FieldError } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import type { EndpointRequest } from './context.ts'
import { toJsonPointer } from './validation/record.ts'

/** Returns the records of a body that is a list. */
export function getRows ({ body: { values } }: EndpointRequest, rootKey: string): FieldValues[] {
  const rows = values.get(rootKey)
  return Array.isArray(rows) ? rows.filter(isJsonObject).map(row => new Map(Object.entries(row))) : []
}

/**
 * Returns Procore's body byte for byte, with the member `rows` added before its closing brace. The body that is stored
 * for an idempotency key has that member only.
 * @param existingIds users that existed before; undefined if that is not known
 */
export function withRowResults (
  success: UpstreamSuccess,
  sent: readonly FieldValues[],
  rootKey: string,
  existingIds: ReadonlySet<number> | undefined
): UpstreamSuccess | UpstreamFailure {
  const response = parseJson(success.body.toString('utf8'))
  if (!isJsonObject(response)) {
    const detail = 'Procore reported success, but its response is invalid.'
    return { kind: 'failure', error: new Problem('procore_bad_response', detail, { outcome: 'unknown' }) }
  }
  const existedBefore = (user: JsonObject, id: number) => existingIds?.has(id) ?? wasUpdated(user)
  const results = matchSyncRows(sent, response, existedBefore)
  const rows = results.map((result, index) => toRow(result, index, rootKey))
  return {
    ...success,
    body: addMember(success.body, Object.keys(response).length > 0, 'rows', rows),
    replayBody: toReplayBody(rows),
    rowCounts: countRows(results),
  }
}

/** A user that was just created has not been updated since. */
const wasUpdated = ({ created_at: createdAt, updated_at: updatedAt }: JsonObject) =>
  typeof createdAt === 'string' && typeof updatedAt === 'string' && createdAt !== updatedAt

/** The result of a row, with its number. The pointers of its errors lead from the root of the request. */
type NumberedResult = SyncRowResult & { row: number }

function toRow (result: SyncRowResult, index: number, rootKey: string): NumberedResult {
  const row = index + 1
  if (result.status !== 'rejected') return { row, ...result }
  return { row, ...result, errors: result.errors.map(error => toAbsolute(error, [rootKey, String(index)])) }
}

function toAbsolute ({ pointer, field, ...error }: FieldError, path: readonly string[]): FieldError {
  const fieldPath = field === '' ? path : [...path, field]
  return { ...error, pointer: `${toJsonPointer(path)}${pointer}`, field: getFormName(fieldPath, false) }
}

function addMember (body: Buffer, hasMembers: boolean, name: string, value: unknown): Buffer {
  const end = body.lastIndexOf('}')
  const member = `${hasMembers ? ',' : ''}${JSON.stringify(name)}:${JSON.stringify(value)}`
  return Buffer.concat([body.subarray(0, end), Buffer.from(member), body.subarray(end)])
}

/** Errors are left out if they would make the body too large to be stored: a repeat must not lose the outcome. */
function toReplayBody (rows: readonly NumberedResult[]): Buffer {
  const body = Buffer.from(JSON.stringify({ rows }))
  if (body.length <= limits.idempotency.rowsMaxBytes) return body
  return Buffer.from(JSON.stringify({ rows: rows.map(row => ({ ...row, errors: undefined })) }))
}

function countRows (results: readonly SyncRowResult[]): Record<string, number> {
  const counts = { created: 0, updated: 0, rejected: 0, unknown: 0 }
  for (const { status } of results) counts[status]++
  return counts
}
