/** Counts what became of the rows of a list, for the audit line. */
import type { FieldValues, MentionedRow, ProxiedEndpoint } from '../endpoints/endpoint.ts'
import { parseJson } from '../util/parse-json.ts'
import type { SendToProcore } from './record-guard.ts'
import { getRows } from './row-results.ts'

type RowCounts = Record<'changed' | 'rejected' | 'unknown', number>

/** Adds the numbers to each success of an endpoint whose description has a `rowReport`. */
export function withRowCounts ({ rowReport, body }: ProxiedEndpoint, send: SendToProcore): SendToProcore {
  if (rowReport === undefined || body === undefined) return send
  const { rootKey } = body
  return async (request, call) => {
    const result = await send(request, call)
    if (result.kind !== 'success') return result
    const mentions = rowReport.read(parseJson(result.body.toString('utf8')))
    return { ...result, rowCounts: countRows(getRows(request, rootKey), rowReport.fields, mentions) }
  }
}

/** A row is `unknown` if the response does not mention it, or not with certainty. */
function countRows (
  rows: readonly FieldValues[], fields: readonly string[], mentions: readonly MentionedRow[]
): RowCounts {
  const mentionsById = Map.groupBy(mentions, ({ values }) => toId(values))
  const counts: RowCounts = { changed: 0, rejected: 0, unknown: 0 }
  for (const [id, { length }] of Map.groupBy(rows, row => toId(fields.map(name => row.get(name))))) {
    const results = mentionsById.get(id) ?? []
    const isCertain = results.length === length && new Set(results.map(({ isDone }) => isDone)).size === 1
    counts[!isCertain ? 'unknown' : results[0]?.isDone === true ? 'changed' : 'rejected'] += length
  }
  return counts
}

/** Procore may have ids as texts or as numbers. Other values identify no row, and may not be convertible to text. */
const toId = (values: readonly unknown[]) =>
  values.map(value => typeof value === 'number' || typeof value === 'string' ? String(value) : '').join()
