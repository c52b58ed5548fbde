/** What Procore received, as the emulator tells it. */
import type { Received } from '../emulator-client.ts'
import { find, make, pairs, size } from './dom.ts'

export async function showReceived (): Promise<void> {
  const answer = await fetch('/demo/received').catch(() => undefined)
  if (answer?.ok !== true) return
  const received: Received[] = await answer.json()
  find('received-empty', HTMLElement).hidden = received.length > 0
  const newest = received.findIndex(({ method, path }) => method === 'POST' && path.includes('/users'))
  find('received', HTMLElement).replaceChildren(...received.map((entry, index) => item(entry, index === newest)))
}

function item (entry: Received, isOpen: boolean): HTMLLIElement {
  const { method, path, status, complete, headers } = entry
  const told = status === undefined ? complete ? 'no answer' : 'cut off' : String(status)
  const badge = make('span', { className: 'status' }, told)
  badge.dataset['tone'] = status === undefined ? 'odd' : status < 400 ? 'good' : 'bad'
  return make('li', {}, make('details', { open: isOpen }, make('summary', {}, make('b', {}, method), pathOf(decodeURIComponent(path)), badge), make('div', { className: 'inside' },
    make('h3', {}, 'Headers, without credentials'),
    pairs(Object.entries(headers).map(([name, value]): [string, string] => [name, [value].flat().join(', ')])),
    ...body(entry)
  )))
}

/** What is asked of it is seen once it is open. */
function pathOf (url: string): HTMLSpanElement {
  const [path = '', ...query] = url.split(/(?=\?)/)
  return make('span', { className: 'path' }, ...broken(path), make('span', { className: 'query' }, ...broken(query.join(''))))
}

/** Rather before a slash, a question mark or an ampersand than in a word. */
const broken = (text: string) => text.split(/(?=[/?&])/).flatMap(part => [make('wbr'), part])

function body ({ json, parts, bodyBytes, path }: Received): Node[] {
  if (parts !== undefined) {
    return [make('h3', {}, `Form, ${size(bodyBytes)}`), pairs(parts.map(({ name, filename, contentType, text, bytes, sha256 }): [string, string] =>
      [name, filename === undefined ? text ?? '' : `${filename}, ${contentType ?? 'no type'}, ${bytes} bytes, sha256 ${sha256}`]))]
  }
  if (json !== undefined) return [make('h3', {}, `JSON, ${size(bodyBytes)}`), make('pre', { tabIndex: 0, ariaLabel: `Body of the request to ${path}`, role: 'region' }, JSON.stringify(json, null, 2))]
  return bodyBytes === 0 ? [] : [make('h3', {}, `Body, ${size(bodyBytes)}`)]
}
