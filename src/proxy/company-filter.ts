/**
 * Sends the list of companies to callers. Procore's list has the companies of all callers, so it is read whole, and
 * each caller gets pages of its own companies: neither a count, nor a link, nor an empty page shows that there are
 * others.
 */
import { limits } from '../config/limits.ts'
import type { ProcoreClient } from '../procore/client.ts'
import { readPages } from '../procore/pages.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import type { CompanyCheck, EndpointRequest, RequestBuilder, Send } from './context.ts'

/** Procore's own number of items of a page whose query does not state one. */
const defaultPageItems = 100

export const withCompanyFilter = (toProcoreRequest: RequestBuilder, procore: ProcoreClient): Send => async request => {
  const { path: pathWithQuery, ...call } = toProcoreRequest(request)
  const [path = '', query] = pathWithQuery.split('?')
  const list = { path, query: Object.fromEntries(new URLSearchParams(query)), ...limits.companies }
  // A company that moves to another page while the list is read may come twice.
  const companies = new Map<number, unknown>()
  const failed = await readPages(procore, list, () => call, company => {
    const id = getAllowedId(company, request.isCompanyAllowed)
    if (id !== undefined) companies.set(id, company)
  })
  if (failed !== undefined) return failed
  const { items, headers } = toPage([...companies.values()], request)
  const body = Buffer.from(JSON.stringify(items))
  return { kind: 'success', status: 200, contentType: 'application/json', body, headers, recordId: undefined }
}

/** A company without a usable id cannot be checked. */
function getAllowedId (company: unknown, isCompanyAllowed: CompanyCheck): number | undefined {
  const id = isJsonObject(company) ? company['id'] : undefined
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 1 && isCompanyAllowed(id) ? id : undefined
}

/** Returns the page that the query names, with the headers that Procore has for a page. */
function toPage (items: readonly unknown[], { query: { values } }: EndpointRequest) {
  const page = Number(values.get('page') ?? 1)
  const perPage = Number(values.get('per_page') ?? defaultPageItems)
  const lastPage = Math.max(1, Math.ceil(items.length / perPage))
  const links: string[] = []
  const addLink = (target: number, rel: string) => links.push(`<?per_page=${perPage}&page=${target}>; rel="${rel}"`)
  if (page > 1) {
    addLink(1, 'first')
    addLink(Math.min(page - 1, lastPage), 'prev')
  }
  if (page < lastPage) {
    addLink(page + 1, 'next')
    addLink(lastPage, 'last')
  }
  return {
    items: items.slice((page - 1) * perPage, page * perPage),
    headers: {
      total: String(items.length),
      'per-page': String(perPage),
      ...(links.length > 0 && { link: links.join(', ') }),
    },
  }
}
