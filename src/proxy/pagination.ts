/**
 * Rewrites Procore's pagination headers for the caller: counts are relayed, and links (RFC 8288) are relative to the
 * URL that the caller used (RFC 3986 §5.2), because a gateway may have removed a prefix of its path. Only the page
 * numbers are taken from Procore's links, so a link always leads to the caller's own query with another page.
 */
import { parseLinks } from '../procore/page-links.ts'
import { validateField, type CompiledRecord } from './validation/schema.ts'

/** Returns the URL of the caller's request with other values in its query. */
type PageUrlBuilder = (page: Map<string, number>) => string

/** @param query the compiled query of the route, which limits the values of a page */
export function rewritePageHeaders (
  headers: Readonly<Record<string, string>>, query: CompiledRecord, buildPageUrl: PageUrlBuilder
): Record<string, string> {
  const rewritten: Record<string, string> = {}
  for (const name of ['total', 'per-page']) {
    const value = headers[name]
    if (value !== undefined && /^\d{1,15}$/.test(value)) rewritten[name] = value
  }
  const links = parseLinks(headers['link'] ?? '')
    .flatMap(({ target, rels }) => rewriteLink(target, rels, query, buildPageUrl))
  if (links.length > 0) rewritten['link'] = links.join(', ')
  return rewritten
}

/** Returns an empty list for a link whose page the caller could not request. */
function rewriteLink (
  target: string, rels: readonly string[], query: CompiledRecord, buildPageUrl: PageUrlBuilder
): string[] {
  const page = getPageParameters(target, query)
  if (rels.length === 0 || page === undefined) return []
  const url = buildPageUrl(page)
  return [`<${url.slice(url.indexOf('?'))}>; rel="${rels.join(' ')}"`]
}

function getPageParameters (target: string, query: CompiledRecord): Map<string, number> | undefined {
  const { searchParams } = URL.parse(target, 'http://procore.invalid/') ?? {}
  const page = new Map<string, number>()
  for (const name of ['page', 'per_page']) {
    const text = searchParams?.get(name) ?? ''
    const field = query.fields.get(name)
    const isValid = /^\d{1,15}$/.test(text) && field !== undefined && validateField(field, Number(text)) === undefined
    if (isValid) page.set(name, Number(text))
  }
  return page.has('page') ? page : undefined
}
