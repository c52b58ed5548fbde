/** Lists that Procore gives a page at a time, as a walk from one page to the next. */
import type { ApiResponse } from './call.ts'

/** Each page is asked for when the one before it was taken; whoever stops taking ends it. */
export async function * paginate<T> (firstPage: number, fetchPage: (page: number) => Promise<ApiResponse<T>>): AsyncGenerator<ApiResponse<T>, void, undefined> {
  for (let page: number | undefined = firstPage; page !== undefined;) {
    const response: ApiResponse<T> = await fetchPage(page)
    yield response
    page = parseNextPage(page, response.headers.get('link') ?? '')
  }
}

/** The one that `Link` calls next (RFC 8288). Of the link only its number is taken, so that it can lead the token nowhere, and never back, so that there is an end. */
function parseNextPage (page: number, link: string): number | undefined {
  const [, target = ''] = [...link.matchAll(/<([^<>]*)>([^<]*)/g)].find(([, , parameters = '']) => /;\s*rel="?(?:[^"]*\s)?next\b/i.test(parameters)) ?? []
  const next = Number(new URLSearchParams(target.slice(target.indexOf('?') + 1)).get('page'))
  return Number.isSafeInteger(next) && next > page ? next : undefined
}
