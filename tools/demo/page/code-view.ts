/** Shows JSON and TypeScript with colours, and copies text to the clipboard. */
import { createElement, getElement } from './dom.ts'

/** The groups have the names of classes in the style sheet. Strings match first: a URL in one is not a comment. */
const tokenPattern = new RegExp([
  /(?<name>"(?:[^"\\]|\\.)*"(?=:)|\b\w+(?=: ))/,
  /(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/,
  /(?<comment>\/\/.*)/,
  /(?<keyword>\b(?:import|from|const|new|await|try|catch|if|true|false|null)\b)/,
  /(?<number>\b\d+(?:\.\d+)?\b)/,
].map(({ source }) => source).join('|'), 'g')

export function showCode (element: HTMLPreElement, text: string): void {
  const nodes: Array<Node | string> = []
  let end = 0
  for (const { 0: token, index, groups = {} } of text.matchAll(tokenPattern)) {
    const [kind = ''] = Object.keys(groups).filter(name => groups[name] !== undefined)
    nodes.push(text.slice(end, index), createElement('span', { className: `code-${kind}` }, token))
    end = index + token.length
  }
  element.replaceChildren(...nodes, text.slice(end))
}

/** Makes a button copy the text of an element, and announces that it did. */
export function initCopyButton (button: HTMLButtonElement, element: HTMLElement): void {
  const status = getElement('copy-status', HTMLElement)
  button.addEventListener('click', async () => {
    // Browsers have a clipboard in secure contexts only. Elsewhere the person copies the selected text.
    const copied = await navigator.clipboard?.writeText(element.innerText).then(() => true, () => false)
    if (copied !== true) getSelection()?.selectAllChildren(element)
    status.textContent = copied === true ? 'Copied' : 'Selected: copy it with the keyboard'
  })
  new MutationObserver(() => { status.textContent = '' }).observe(element, { childList: true })
}
