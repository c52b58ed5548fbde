/** Reads all pages of one of Procore's lists. */
import { Problem } from '../server/problem.ts'
import { parseJson } from '../util/parse-json.ts'
import { expectPage } from './classify.ts'
import type { ProcoreClient, ProcoreRequest } from './client.ts'
import { isLastPage } from './page-links.ts'
import type { UpstreamFailure, UpstreamRejection, UpstreamSuccess } from './result.ts'

/** The request for one page, without what all of them have in common. */
export type PageRequest = Omit<ProcoreRequest, 'method' | 'path' | 'body' | 'isIdempotent' | 'expectation'>

export interface PagedList {
  path: string
  /** Query without the page. */
  query: Readonly<Record<string, string>>
  /** Items of one page. */
  pageItems: number
  /** Pages of one list; a longer list is not read. */
  pagesMax: number
}

/**
 * Reads page by page, and passes each item to `onItem`. Returns undefined only if Procore's headers say that there are
 * no more items.
 */
export async function readPages (
  procore: ProcoreClient,
  { path, query, pageItems, pagesMax }: PagedList,
  toRequest: () => PageRequest,
  onItem: (item: unknown) => void
): Promise<UpstreamRejection | UpstreamFailure | undefined> {
  const search = new URLSearchParams({ ...query, per_page: String(pageItems) })
  let total: string | undefined
  let count = 0
  for (let page = 1; page <= pagesMax; page++) {
    search.set('page', String(page))
    const response = await procore.send({
      ...toRequest(),
      method: 'GET',
      path: `${path}?${search.toString()}`,
      body: null,
      isIdempotent: true,
      expectation: expectPage,
    })
    if (response.kind !== 'success') return response
    const items = parseItems(response)
    if (items === undefined) return unreadable('A page of Procore\'s list is not a list.')
    for (const item of items) onItem(item)
    count += items.length
    const headers = response.headers ?? {}
    // An item that leaves the list moves others to the page before, which was read already.
    if (page > 1 && headers['total'] !== total) return unreadable('Procore\'s list changed while it was read.')
    total = headers['total']
    if (isLastPage(headers, count)) return undefined
    if (items.length === 0) return unreadable('Procore\'s list has fewer items than it says.')
  }
  return unreadable(`Procore's list has more than ${pagesMax} pages.`)
}

function parseItems ({ body }: UpstreamSuccess): unknown[] | undefined {
  const items = parseJson(body.toString('utf8'))
  return Array.isArray(items) ? items : undefined
}

const unreadable = (detail: string): UpstreamFailure =>
  ({ kind: 'failure', error: new Problem('procore_bad_response', detail) })
