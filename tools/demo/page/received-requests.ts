/** What Procore received, as the emulator tells it. */
import type { ReceivedRequest } from '../emulator-client.ts'
import { getElement, createElement, createDescriptionList, formatBytes } from './dom.ts'

export async function showReceivedRequests (): Promise<void> {
  const response = await fetch('/demo/received').catch(() => undefined)
  if (response?.ok !== true) return
  const requests: ReceivedRequest[] = await response.json()
  getElement('received-empty', HTMLElement).hidden = requests.length > 0
  const newestCreateIndex = requests.findIndex(({ method, path }) => method === 'POST' && path.includes('/users'))
  getElement('received', HTMLElement).replaceChildren(...requests.map((entry, index) => createItem(entry, index === newestCreateIndex)))
}

function createItem (entry: ReceivedRequest, isOpen: boolean): HTMLLIElement {
  const { method, path, status, complete, headers } = entry
  const statusText = status === undefined ? complete ? 'no answer' : 'cut off' : String(status)
  const badge = createElement('span', { className: 'status' }, statusText)
  badge.dataset['tone'] = status === undefined ? 'odd' : status < 400 ? 'good' : 'bad'
  return createElement('li', {}, createElement('details', { open: isOpen }, createElement('summary', {}, createElement('b', {}, method), createPath(decodeURIComponent(path)), badge), createElement('div', { className: 'inside' },
    createElement('h3', {}, 'Headers, without credentials'),
    createDescriptionList(Object.entries(headers).map(([name, value]): [string, string] => [name, [value].flat().join(', ')])),
    ...createBody(entry)
  )))
}

/** What is asked of it is seen once it is open. */
function createPath (url: string): HTMLSpanElement {
  const [path = '', ...query] = url.split(/(?=\?)/)
  return createElement('span', { className: 'path' }, ...withBreaks(path), createElement('span', { className: 'query' }, ...withBreaks(query.join(''))))
}

/** Rather before a slash, a question mark or an ampersand than in a word. */
const withBreaks = (text: string) => text.split(/(?=[/?&])/).flatMap(part => [createElement('wbr'), part])

function createBody ({ json, parts, bodyBytes, path }: ReceivedRequest): Node[] {
  if (parts !== undefined) {
    return [createElement('h3', {}, `Form, ${formatBytes(bodyBytes)}`), createDescriptionList(parts.map(({ name, filename, contentType, text, bytes, sha256 }): [string, string] =>
      [name, filename === undefined ? text ?? '' : `${filename}, ${contentType ?? 'no type'}, ${bytes} bytes, sha256 ${sha256}`]))]
  }
  if (json !== undefined) return [createElement('h3', {}, `JSON, ${formatBytes(bodyBytes)}`), createElement('pre', { tabIndex: 0, ariaLabel: `Body of the request to ${path}`, role: 'region' }, JSON.stringify(json, null, 2))]
  return bodyBytes === 0 ? [] : [createElement('h3', {}, `Body, ${formatBytes(bodyBytes)}`)]
}
