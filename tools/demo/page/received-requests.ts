/** Shows the requests that the emulator received. */
import type { ReceivedPart, ReceivedRequest } from '../emulator-client.ts'
import { showCode } from './code-view.ts'
import { getElement, createElement, createDescriptionList, formatBytes } from './dom.ts'
import { createStatusBadge } from './response-view.ts'

export async function showReceivedRequests (): Promise<void> {
  const response = await fetch('/demo/received').catch(() => undefined)
  if (response?.ok !== true) return
  const requests = parseReceivedRequests(await response.text())
  getElement('received-empty', HTMLElement).hidden = requests.length > 0
  const newestCreate = requests.find(({ method, path }) => method === 'POST' && path.includes('/users'))
  const list = getElement('received', HTMLElement)
  // The oldest first: a create, and then the lookups that it caused.
  list.replaceChildren(...requests.toReversed().map(entry => createItem(entry, entry === newestCreate)))
  const openItem = list.querySelector('details[open]')
  if (openItem !== null) list.scrollTop += openItem.getBoundingClientRect().top - list.getBoundingClientRect().top
}

/** The page's own server has checked the requests against their schema. */
const parseReceivedRequests: (text: string) => ReceivedRequest[] = JSON.parse

function createItem (entry: ReceivedRequest, isOpen: boolean): HTMLLIElement {
  const { method, path, headers } = entry
  const headerEntries = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')] as const)
  return createElement('li', {}, createElement('details', { open: isOpen },
    createElement('summary', {},
      createElement('b', {}, method),
      createPath(decodeURIComponent(path)),
      createStatus(entry)
    ),
    createElement('div', { className: 'inside' },
      ...createBody(entry),
      createElement('h3', {}, 'Headers, without credentials'),
      createDescriptionList(headerEntries)
    )
  ))
}

function createStatus ({ status, complete }: ReceivedRequest): HTMLSpanElement {
  if (status !== undefined) return createStatusBadge(status)
  const badge = createElement('span', { className: 'status' }, complete ? 'no response' : 'truncated')
  badge.dataset['tone'] = 'warning'
  return badge
}

/** The style sheet shows the query only while the entry is open. */
function createPath (url: string): HTMLSpanElement {
  const [path = '', ...query] = url.split(/(?=\?)/)
  const querySpan = createElement('span', { className: 'query' }, ...withBreaks(query.join('')))
  return createElement('span', { className: 'path' }, ...withBreaks(path), querySpan)
}

/** Allows line breaks before slashes, question marks and ampersands. */
const withBreaks = (text: string) => text.split(/(?=[/?&])/).flatMap(part => [createElement('wbr'), part])

function createBody ({ json, parts, bodyBytes }: ReceivedRequest): Node[] {
  if (parts !== undefined) {
    const partEntries = parts.map(part => [part.name, describePart(part)] as const)
    return [createElement('h3', {}, `Form, ${formatBytes(bodyBytes)}`), createDescriptionList(partEntries)]
  }
  if (json !== undefined) {
    const body = createElement('pre')
    showCode(body, JSON.stringify(json, null, 2))
    return [createElement('h3', {}, `JSON, ${formatBytes(bodyBytes)}`), body]
  }
  return bodyBytes === 0 ? [] : [createElement('h3', {}, `Body, ${formatBytes(bodyBytes)}`)]
}

function describePart ({ filename, contentType, text, bytes, sha256 }: ReceivedPart): string {
  if (filename === undefined) return text ?? ''
  return `${filename}, ${contentType ?? 'no type'}, ${bytes} bytes, SHA-256 ${sha256.slice(0, 12)}…`
}
