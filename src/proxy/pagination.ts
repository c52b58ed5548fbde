/**
 * Rewrites Procore's pagination headers for the caller: counts are relayed, and links (RFC 8288) are relative to the
 * URL that the caller used (RFC 3986 §5.2), because a gateway may have removed a prefix of its path. Only the page
 * numbers are taken from Procore's links, so a link always leads to the caller's own query with another page.
 */
import { limits } from '../config/limits.ts'
import { validateField, type CompiledRecord } from './validation/schema.ts'

const relations = new Set(['first', 'prev', 'next', 'last'])
// Each pattern matches one piece from a known position, so that no text can be split in more than one way.
const linkTarget = /<([^<>]*)>/y
const linkParameter = /\s*;\s*([^\s=;,"<>]+)(?:\s*=\s*(?:"([^"]*)"|([^\s;,"<>]*)))?/y
const linkEnd = /\s*(?:,|$)/y

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

/** Returns whether a Link header says that there are more pages. */
export function hasNextPage (linkHeader: string): boolean {
  return parseLinks(linkHeader).some(({ rels }) => rels.includes('next'))
}

interface Link { target: string, rels: string[] }

/** Parses a list of links (RFC 8288 §3). Invalid ones are skipped, and so is the end of a header that is too long. */
function parseLinks (linkHeader: string): Link[] {
  const text = linkHeader.slice(0, limits.upstream.linkMaxLength)
  const links: Link[] = []
  for (let index = text.indexOf('<'); index >= 0;) {
    linkTarget.lastIndex = index
    const target = linkTarget.exec(text)?.[1]
    const { rels, end } = parseLinkParameters(text, target === undefined ? index + 1 : linkTarget.lastIndex)
    linkEnd.lastIndex = end
    if (target !== undefined && linkEnd.test(text)) links.push({ target, rels })
    index = text.indexOf('<', end)
  }
  return links
}

/** Returns the known relations. RFC 8288 §3.3: only the first `rel` counts. */
function parseLinkParameters (text: string, start: number): { rels: string[], end: number } {
  let relation: string | undefined
  let end = start
  linkParameter.lastIndex = start
  for (let match = linkParameter.exec(text); match !== null; match = linkParameter.exec(text)) {
    end = linkParameter.lastIndex
    const [, name, quoted, unquoted] = match
    if (name?.toLowerCase() === 'rel') relation ??= quoted ?? unquoted
  }
  const rels = (relation ?? '').toLowerCase().split(/\s+/).filter(rel => relations.has(rel))
  return { rels, end }
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
