/** Helpers for the DOM. Strings are always inserted as text, never as markup. */

/** @throws {TypeError} if page.html does not contain the element */
export function getElement<T extends Element> (id: string, type: new () => T): T {
  const element = document.getElementById(id)
  if (!(element instanceof type)) throw new TypeError(`page.html must contain ${type.name} #${id}`)
  return element
}

export function createElement<K extends keyof HTMLElementTagNameMap> (
  tag: K, properties: Partial<HTMLElementTagNameMap[K]> = {}, ...children: Array<Node | string>
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

export function createDescriptionList (
  entries: ReadonlyArray<readonly [name: string, value: string]>
): HTMLDListElement {
  const items = entries.flatMap(([name, value]) => [createElement('dt', {}, name), createElement('dd', {}, value)])
  return createElement('dl', {}, ...items)
}

export function formatBytes (bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
