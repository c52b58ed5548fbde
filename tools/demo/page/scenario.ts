/** What goes wrong with the next create. Steps follow each other in the order in which they were chosen, and a create waits for the last one. */
import { getElement } from './dom.ts'

const select = getElement('scenario', HTMLSelectElement)
const hint = getElement('scenario-hint', HTMLElement)
const defaultHint = hint.textContent
const timeoutMs = 5_000
const pollMs = 200

let pendingWork: Promise<void> = Promise.resolve()
let selectedScenario = 'nothing'

/** Resolves once the emulator knows what to do. */
export const scenarioReady = (): Promise<void> => pendingWork

export function chooseScenario (name: string): void {
  const previous = selectedScenario
  selectedScenario = name
  pendingWork = pendingWork.then(() => sendScenario(name)).then(() => previous === 'login_refused' ? waitUntilLoggedIn() : undefined)
}

/** Has the emulator fail as chosen, once. */
async function sendScenario (name: string): Promise<void> {
  const isAccepted = await fetch(`/demo/next/${name}`, { method: 'POST', signal: AbortSignal.timeout(timeoutMs) }).then(({ ok }) => ok, () => false)
  // Another may have been chosen since.
  if (isAccepted && name === selectedScenario) select.value = name
  hint.textContent = isAccepted ? defaultHint : 'The service or the emulator does not answer.'
}

/** The service makes a pause after its login was refused; a create in it would be told of the login before. */
async function waitUntilLoggedIn (): Promise<void> {
  hint.textContent = 'The service is logging in again…'
  for (const deadlineMs = Date.now() + timeoutMs; Date.now() < deadlineMs && !await isLoggedIn();) await new Promise(resolve => setTimeout(resolve, pollMs))
  hint.textContent = defaultHint
}

async function isLoggedIn (): Promise<boolean> {
  const response = await fetch('/readyz', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined)
  const { dependencies }: { dependencies?: { login?: { state: string } } } = await response?.json().catch(() => undefined) ?? {}
  return dependencies?.login?.state === 'up'
}

export function initScenario (): void {
  select.addEventListener('change', () => chooseScenario(select.value))
  // A page that was left in the middle may have left something behind.
  chooseScenario('nothing')
}
