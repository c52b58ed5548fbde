/** One page of a list, as Procore's first version of its API gives it: a bare array, with `Link`, `Total` and `Per-Page`. */
import { jsonResponse, type EmulatedResponse } from './response.ts'

const perPageMax = 2000
const perPageDefault = 100

/** `page` and `per_page` as the query has them: 100 to a page unless it says so, at most 2000 (Procore: Pagination). */
export function paginate (items: readonly unknown[], url: URL): EmulatedResponse {
  const page = Math.max(1, Number(url.searchParams.get('page') ?? 1))
  const perPage = Math.min(perPageMax, Math.max(1, Number(url.searchParams.get('per_page') ?? perPageDefault)))
  const lastPage = Math.max(1, Math.ceil(items.length / perPage))
  const response = jsonResponse(200, items.slice((page - 1) * perPage, page * perPage))
  const links = [
    ...(page > 1 ? [formatLink(url, 1, perPage, 'first'), formatLink(url, page - 1, perPage, 'prev')] : []),
    ...(page < lastPage ? [formatLink(url, page + 1, perPage, 'next'), formatLink(url, lastPage, perPage, 'last')] : []),
  ]
  Object.assign(response.headers, { total: String(items.length), 'per-page': String(perPage) }, links.length > 0 && { link: links.join(', ') })
  return response
}

function formatLink (url: URL, page: number, perPage: number, relation: string): string {
  const target = new URL(url)
  target.searchParams.set('page', String(page))
  target.searchParams.set('per_page', String(perPage))
  return `<${target.href}>; rel="${relation}"`
}
