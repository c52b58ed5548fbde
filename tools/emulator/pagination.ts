/** Paginates lists as Procore's REST API v1 does: a bare array, with the headers `Link`, `Total` and `Per-Page`. */
import { jsonResponse, type EmulatedResponse } from './response.ts'

const perPageMax = 2000
const perPageDefault = 100

/**
 * Returns the page that the query asks for: 100 items by default, at most 2000 (Procore: Pagination).
 * @param serialize builds the JSON of an item; called for the items of the page only
 */
export function paginate<Item> (
  items: readonly Item[], url: URL, serialize: (item: Item) => unknown = item => item
): EmulatedResponse {
  const page = Math.max(1, Number(url.searchParams.get('page') ?? 1))
  const perPage = Math.min(perPageMax, Math.max(1, Number(url.searchParams.get('per_page') ?? perPageDefault)))
  const lastPage = Math.max(1, Math.ceil(items.length / perPage))
  const response = jsonResponse(200, items.slice((page - 1) * perPage, page * perPage).map(item => serialize(item)))
  const links: string[] = []
  const linkTo = (target: number, relation: string) => links.push(formatLink(url, target, perPage, relation))
  if (page > 1) {
    linkTo(1, 'first')
    linkTo(page - 1, 'prev')
  }
  if (page < lastPage) {
    linkTo(page + 1, 'next')
    linkTo(lastPage, 'last')
  }
  response.headers['total'] = String(items.length)
  response.headers['per-page'] = String(perPage)
  if (links.length > 0) response.headers['link'] = links.join(', ')
  return response
}

function formatLink (url: URL, page: number, perPage: number, relation: string): string {
  const target = new URL(url)
  target.searchParams.set('page', String(page))
  target.searchParams.set('per_page', String(perPage))
  return `<${target.href}>; rel="${relation}"`
}
