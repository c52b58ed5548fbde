/** Reads the headers with which Procore says whether a list has more pages. */
import { limits } from '../config/limits.ts'

const relations = new Set(['first', 'prev', 'next', 'last'])
// Each pattern matches one piece from a known position, so that no text can be split in more than one way.
const linkTarget = /<([^<>]*)>/y
const linkParameter = /\s*;\s*([^\s=;,"<>]+)(?:\s*=\s*(?:"([^"]*)"|([^\s;,"<>]*)))?/y
const linkEnd = /\s*(?:,|$)/y

/** Procore may return fewer items than requested, and indicate that by the total count only or by a link only. */
export function isLastPage ({ total = '0', link = '' }: PageHeaders, count: number): boolean {
  return Number(total) <= count && !parseLinks(String(link)).some(({ rels }) => rels.includes('next'))
}

/** The headers of a page, by name in lower case. */
type PageHeaders = Readonly<Record<string, string | string[] | undefined>>

interface Link { target: string, rels: string[] }

/** Parses a list of links (RFC 8288 §3). Invalid ones are skipped, and so is the end of a header that is too long. */
export function parseLinks (linkHeader: string): Link[] {
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
