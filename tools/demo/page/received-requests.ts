/** Shows the requests that the emulator received. */
import type { ReceivedPart, ReceivedRequest } from '../emulator-client.ts'
import { getElement, createElement, createDescriptionList, formatBytes } from './dom.ts'

export async function showReceivedRequests (): Promise<void> {
  const response = await fetch('/demo/received').catch(() => undefined)
  if (response?.ok !== true) return
  const requests = parseReceivedRequests(await response.text())
  getElement('received-empty', HTMLElement).hidden = requests.length > 0
  const newestCreateIndex = requests.findIndex(({ method, path }) => method === 'POST' && path.includes('/users'))
  const items = requests.map((entry, index) => createItem(entry, index === newestCreateIndex))
  getElement('received', HTMLElement).replaceChildren(...items)
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
      createElement('h3', {}, 'Headers, without credentials'),
      createDescriptionList(headerEntries),
      ...createBody(entry)
    )
  ))
}

function createStatus ({ status, complete }: ReceivedRequest): HTMLSpanElement {
  const missing = complete ? 'no response' : 'truncated'
  const badge = createElement('span', { className: 'status' }, status === undefined ? missing : String(status))
  const tone = status !== undefined && status < 400 ? 'good' : 'bad'
  badge.dataset['tone'] = status === undefined ? 'warning' : tone
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

function createBody ({ json, parts, bodyBytes, path }: ReceivedRequest): Node[] {
  if (parts !== undefined) {
    const partEntries = parts.map(part => [part.name, describePart(part)] as const)
    return [createElement('h3', {}, `Form, ${formatBytes(bodyBytes)}`), createDescriptionList(partEntries)]
  }
  if (json !== undefined) {
    const region = { tabIndex: 0, ariaLabel: `Body of the request to ${path}`, role: 'region' }
    return [
      createElement('h3', {}, `JSON, ${formatBytes(bodyBytes)}`),
      createElement('pre', region, JSON.stringify(json, null, 2)),
    ]
  }
  return bodyBytes === 0 ? [] : [createElement('h3', {}, `Body, ${formatBytes(bodyBytes)}`)]
}

function describePart ({ filename, contentType, text, bytes, sha256 }: ReceivedPart): string {
  if (filename === undefined) return text ?? ''
  return `${filename}, ${contentType ?? 'no type'}, ${bytes} bytes, sha256 ${sha256}`
}
