/** The few words by which the page is read and written; texts are always set as text, never as markup. */

/** @throws {TypeError} when page.html has no such element */
export function getElement<T extends Element> (id: string, type: new () => T): T {
  const element = document.getElementById(id)
  if (!(element instanceof type)) throw new TypeError(`there is no ${type.name} #${id}`)
  return element
}

export function createElement<K extends keyof HTMLElementTagNameMap> (tag: K, properties: Partial<HTMLElementTagNameMap[K]> = {}, ...children: Array<Node | string>): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** Names and descriptions, as lists of both. */
export function createDescriptionList (entries: Iterable<readonly [name: string, value: string]>): HTMLDListElement {
  return createElement('dl', {}, ...[...entries].flatMap(([name, value]) => [createElement('dt', {}, name), createElement('dd', {}, value)]))
}

export function formatBytes (bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
