/** Reads the whole directory of a company: its active users, and then the inactive ones. */
import { limits } from '../config/limits.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import type { ProcoreClient, ProcoreRequest } from './client.ts'
import { readPages, type PageRequest } from './pages.ts'
import { childRecord } from '../telemetry/request-record.ts'
import type { JsonObject, LookupContext } from './recovery/lookup.ts'
import type { UpstreamFailure, UpstreamRejection } from './result.ts'

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
  const { pageItems, pagesMax } = limits.directory
  let count = 0
  for (const { version, subpath, isActive } of lists) {
    const path = `/rest/${version}/companies/${context.companyId}/users${subpath}`
    const list = { path, query: { ...options.query, view: 'extended' }, pageItems, pagesMax }
    const result = await readPages(procore, list, () => toRequest(context, options), record => {
      if (!isJsonObject(record)) return
      const { id, is_active: ownState } = record
      if (typeof id !== 'number') return
      count++
      options.onPerson({ id, isActive: typeof ownState === 'boolean' ? ownState : isActive, record })
    })
    if (result !== undefined) return result
  }
  return { kind: 'complete', count }
}

function toRequest (
  { companyId, callerId, record, signal }: DirectoryContext,
  { purpose, rateLimitMaxWaitMs, countResponseBytes }: DirectoryOptions
): PageRequest {
  return {
    companyId,
    callerId,
    purpose,
    ...(rateLimitMaxWaitMs !== undefined && { rateLimitMaxWaitMs }),
    countResponseBytes,
    record: childRecord(record),
    signal,
  }
}
