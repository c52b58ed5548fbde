/** Reads the whole directory of a company: its active users, and then the inactive ones. */
import { limits } from '../config/limits.ts'
import { Problem } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import { expectPage } from './classify.ts'
import type { ProcoreClient, ProcoreRequest } from './client.ts'
import { isLastPage } from './page-links.ts'
import { childRecord } from '../telemetry/request-record.ts'
import type { JsonObject, LookupContext } from './recovery/lookup.ts'
import type { UpstreamFailure, UpstreamRejection, UpstreamSuccess } from './result.ts'

/** A user as Procore lists it. */
export interface DirectoryPerson {
  id: number
  /** A user that does not show its state has that of its list. */
  isActive: boolean
  record: JsonObject
}

/** The request that needs the directory of this company. */
export interface DirectoryContext extends LookupContext {
  companyId: number
}

/** How the directory is read. */
export interface DirectoryOptions extends Pick<ProcoreRequest, 'countResponseBytes'> {
  purpose: NonNullable<ProcoreRequest['purpose']>
  /** Longest wait for the rate limit, for each page. By default that of the configuration. */
  rateLimitMaxWaitMs?: number
  /** Narrows the lists, for example by `filters[created_at]`. */
  query?: Readonly<Record<string, string>>
  /**
   * Called for each user, in the order of the lists. A user may come twice, if others are added or removed while the
   * lists are read.
   */
  onPerson (person: DirectoryPerson): void
}

/** All pages were read, or the reason why one could not be. */
export type DirectoryResult = { kind: 'complete', count: number } | UpstreamRejection | UpstreamFailure

const lists = [
  { version: 'v1.3', subpath: '', isActive: true },
  { version: 'v1.0', subpath: '/inactive', isActive: false },
]

/**
 * Reads page by page. The result is `complete` only if Procore's headers say that there are no more users. Users that
 * were listed before a failure have been passed to `onPerson`.
 */
export async function readDirectory (
  procore: ProcoreClient, context: DirectoryContext, options: DirectoryOptions
): Promise<DirectoryResult> {
  let count = 0
  for (const { version, subpath, isActive } of lists) {
    const path = `/rest/${version}/companies/${context.companyId}/users${subpath}`
    const result = await readList(procore, context, path, options, record => {
      const { id, is_active: ownState } = record
      if (typeof id !== 'number') return
      count++
      options.onPerson({ id, isActive: typeof ownState === 'boolean' ? ownState : isActive, record })
    })
    if (result !== undefined) return result
  }
  return { kind: 'complete', count }
}

/** Returns undefined after the last page. */
async function readList (
  procore: ProcoreClient,
  context: DirectoryContext,
  path: string,
  options: DirectoryOptions,
  onRecord: (record: JsonObject) => void
): Promise<UpstreamRejection | UpstreamFailure | undefined> {
  const { pageItems, pagesMax } = limits.directory
  const query = new URLSearchParams({ ...options.query, view: 'extended', per_page: String(pageItems) })
  let total: string | undefined
  let count = 0
  for (let page = 1; page <= pagesMax; page++) {
    query.set('page', String(page))
    const response = await procore.send(pageRequest(context, `${path}?${query.toString()}`, options))
    if (response.kind !== 'success') return response
    const items = parseItems(response)
    if (items === undefined) return unreadable('A page of Procore\'s list of users is not a list.')
    for (const item of items) if (isJsonObject(item)) onRecord(item)
    count += items.length
    const headers = response.headers ?? {}
    // A user that leaves the list moves others to the page before, which was read already.
    if (page > 1 && headers['total'] !== total) return unreadable('Procore\'s list of users changed while it was read.')
    total = headers['total']
    if (isLastPage(headers, count)) return undefined
    if (items.length === 0) return unreadable('Procore\'s list of users has fewer users than it says.')
  }
  return unreadable(`Procore's list of users has more than ${pagesMax} pages.`)
}

function pageRequest (
  { companyId, callerId, record, signal }: DirectoryContext,
  path: string,
  { purpose, rateLimitMaxWaitMs, countResponseBytes }: DirectoryOptions
): ProcoreRequest {
  return {
    method: 'GET',
    path,
    companyId,
    callerId,
    purpose,
    ...(rateLimitMaxWaitMs !== undefined && { rateLimitMaxWaitMs }),
    body: null,
    isIdempotent: true,
    expectation: expectPage,
    countResponseBytes,
    record: childRecord(record),
    signal,
  }
}

function parseItems ({ body }: UpstreamSuccess): unknown[] | undefined {
  const items = parseJson(body.toString('utf8'))
  return Array.isArray(items) ? items : undefined
}

const unreadable = (detail: string): UpstreamFailure =>
  ({ kind: 'failure', error: new Problem('procore_bad_response', detail) })
