/** The few words by which the page is read and written; texts are always set as text, never as markup. */

/** @throws {TypeError} when page.html has no such element */
export function find<T extends Element> (id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new TypeError(`there is no ${type.name} #${id}`)
  return found
}

export function make<K extends keyof HTMLElementTagNameMap> (tag: K, properties: Partial<HTMLElementTagNameMap[K]> = {}, ...children: Array<Node | string>): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** Names and descriptions, as lists of both. */
export function pairs (entries: Iterable<readonly [name: string, value: string]>): HTMLDListElement {
  return make('dl', {}, ...[...entries].flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]))
}

export function size (bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
