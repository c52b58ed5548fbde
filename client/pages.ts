/** Iterates over the pages of a Procore list. */
import type { ApiResponse } from './call.ts'

/** Requests each page only when the consumer asks for it. Leaving the loop therefore ends the requests. */
export async function * paginate<T> (
  firstPage: number,
  fetchPage: (page: number) => Promise<ApiResponse<T>>
): AsyncGenerator<ApiResponse<T>, void, undefined> {
  for (let page: number | undefined = firstPage; page !== undefined;) {
    const response: ApiResponse<T> = await fetchPage(page)
    yield response
    page = parseNextPage(page, response.headers.get('link') ?? '')
  }
}

/**
 * Parses the page number of the `next` link (RFC 8288). Only the number is used, so that a link cannot direct the
 * access token to another host. The number has to increase, so that the iteration ends.
 */
function parseNextPage (page: number, linkHeader: string): number | undefined {
  const links = [...linkHeader.matchAll(/<([^<>]*)>([^<]*)/g)]
  const nextRelation = /;\s*rel=(?:"(?:[^"]*\s)?)?next\b/i
  const [, target = ''] = links.find(([, , parameters = '']) => nextRelation.test(parameters)) ?? []
  const nextPage = Number(new URLSearchParams(target.slice(target.indexOf('?') + 1)).get('page'))
  return Number.isSafeInteger(nextPage) && nextPage > page ? nextPage : undefined
}
