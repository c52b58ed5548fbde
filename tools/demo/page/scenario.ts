/** What goes wrong with the next create. Steps follow each other in the order in which they were chosen, and a create waits for the last one. */
import { find } from './dom.ts'

const select = find('scenario', HTMLSelectElement)
const hint = find('scenario-hint', HTMLElement)
const usualHint = hint.textContent
const timeoutMs = 5_000
const lookMs = 200

let last: Promise<void> = Promise.resolve()
let chosen = 'nothing'

/** Resolves once the emulator knows what to do. */
export const prepared = (): Promise<void> => last

export function prepare (name: string): void {
  const before = chosen
  chosen = name
  last = last.then(() => hand(name)).then(() => before === 'login_refused' ? waitForLogin() : undefined)
}

/** Has the emulator fail as chosen, once. */
async function hand (name: string): Promise<void> {
  const isKnown = await fetch(`/demo/next/${name}`, { method: 'POST', signal: AbortSignal.timeout(timeoutMs) }).then(({ ok }) => ok, () => false)
  // Another may have been chosen since.
  if (isKnown && name === chosen) select.value = name
  hint.textContent = isKnown ? usualHint : 'The service or the emulator does not answer.'
}

/** The service makes a pause after its login was refused; a create in it would be told of the login before. */
async function waitForLogin (): Promise<void> {
  hint.textContent = 'The service is logging in again…'
  for (const endMs = Date.now() + timeoutMs; Date.now() < endMs && !await isLoggedIn();) await new Promise(resolve => setTimeout(resolve, lookMs))
  hint.textContent = usualHint
}

async function isLoggedIn (): Promise<boolean> {
  const answer = await fetch('/readyz', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined)
  const { dependencies }: { dependencies?: { login?: { state: string } } } = await answer?.json().catch(() => undefined) ?? {}
  return dependencies?.login?.state === 'up'
}

export function watchScenario (): void {
  select.addEventListener('change', () => prepare(select.value))
  // A page that was left in the middle may have left something behind.
  prepare('nothing')
}
