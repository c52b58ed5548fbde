/**
 * The headers that tell which page of a list an answer is: counts as they are, and links (RFC 8288) to other pages by the path that
 * the caller called. A link leads to the caller's own question with another page, whatever else Procore wrote into it.
 */
import { validateField, type CompiledRecord } from './validation/schema.ts'

const relations = new Set(['first', 'prev', 'next', 'last'])
const linkPattern = /<([^<>]*)>((?:\s*;\s*[^\s=;,"<>]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"<>]*))?)*)\s*(?=,|$)/g
const linkParameter = /;\s*([^\s=;,"<>]+)(?:\s*=\s*(?:"([^"]*)"|([^\s;,"<>]*)))?/g

/**
 * @param query of the route, which says what a page may be
 * @param urlOf the caller's own request with other values in its query
 */
export function rewritePageHeaders (headers: Readonly<Record<string, string>>, query: CompiledRecord, urlOf: (page: Map<string, number>) => string): Record<string, string> {
  const told: Record<string, string> = {}
  for (const name of ['total', 'per-page']) {
    const value = headers[name]
    if (value !== undefined && /^\d{1,15}$/.test(value)) told[name] = value
  }
  const links = parseLinks(headers['link'] ?? '').flatMap(({ target, rels }) => rewriteLinks(target, rels, query, urlOf))
  if (links.length > 0) told['link'] = links.join(', ')
  return told
}

/** Whether the header says that there are more pages. */
export function hasNextPage (header: string): boolean {
  return parseLinks(header).some(({ rels }) => rels.includes('next'))
}

function parseLinks (header: string): Array<{ target: string, rels: string[] }> {
  return [...header.matchAll(linkPattern)].map(([, target = '', parameters = '']) => {
    // RFC 8288 §3.3: the first one counts.
    const relation = [...parameters.matchAll(linkParameter)].find(([, name]) => name?.toLowerCase() === 'rel')
    return { target, rels: (relation?.[2] ?? relation?.[3] ?? '').toLowerCase().split(/\s+/).filter(rel => relations.has(rel)) }
  })
}

/** None of a link that leads nowhere that a caller could go. */
function rewriteLinks (target: string, rels: readonly string[], query: CompiledRecord, urlOf: (page: Map<string, number>) => string): string[] {
  const page = getPageParameters(target, query)
  return rels.length === 0 || page === undefined ? [] : [`<${urlOf(page)}>; rel="${rels.join(' ')}"`]
}

function getPageParameters (target: string, query: CompiledRecord): Map<string, number> | undefined {
  const { searchParams } = URL.parse(target, 'http://procore.invalid/') ?? {}
  const page = new Map<string, number>()
  for (const name of ['page', 'per_page']) {
    const text = searchParams?.get(name) ?? ''
    const field = query.fields.get(name)
    if (/^\d{1,15}$/.test(text) && field !== undefined && validateField(field, Number(text)) === undefined) page.set(name, Number(text))
  }
  return page.has('page') ? page : undefined
}
