/** Chooses what goes wrong with the next create. Choices are sent one after the other; a create waits for the last. */
import { getElement } from './dom.ts'

const select = getElement('scenario', HTMLSelectElement)
const hint = getElement('scenario-hint', HTMLElement)
const unavailable = 'The service or the emulator does not respond.'
const timeoutMs = 5_000
const pollMs = 200

let pendingWork: Promise<void> = Promise.resolve()
let selectedScenario = 'nothing'

/** Resolves when the emulator has accepted the last choice. */
export const scenarioReady = (): Promise<void> => pendingWork

export function chooseScenario (name: string): void {
  const previous = selectedScenario
  selectedScenario = name
  pendingWork = pendingWork.then(async () => {
    await sendScenario(name)
    if (previous === 'login_refused') await waitUntilLoggedIn()
  })
}

/** Removes the users and the recorded requests, and the chosen scenario. */
export async function resetEmulator (): Promise<void> {
  chooseScenario('nothing')
  await scenarioReady()
  const response = fetch('/demo/reset', { method: 'POST', signal: AbortSignal.timeout(timeoutMs) })
  if (!await response.then(({ ok }) => ok, () => false)) hint.textContent = unavailable
}

async function sendScenario (name: string): Promise<void> {
  const response = fetch(`/demo/next/${name}`, { method: 'POST', signal: AbortSignal.timeout(timeoutMs) })
  const isAccepted = await response.then(({ ok }) => ok, () => false)
  // The user may have chosen another scenario in the meantime.
  if (isAccepted && name === selectedScenario) select.value = name
  hint.textContent = isAccepted ? '' : unavailable
}

/** The service backs off after a refused login, and would refuse a create in that time because of the old failure. */
async function waitUntilLoggedIn (): Promise<void> {
  hint.textContent = 'The service is logging in again…'
  const deadlineMs = Date.now() + timeoutMs
  while (Date.now() < deadlineMs && !await isLoggedIn()) await new Promise(resolve => setTimeout(resolve, pollMs))
  hint.textContent = ''
}

async function isLoggedIn (): Promise<boolean> {
  const response = await fetch('/readyz', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined)
  const readiness: unknown = await response?.json().catch(() => undefined)
  return ['dependencies', 'login', 'state'].reduce(getMember, readiness) === 'up'
}

function getMember (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

export function initScenario (): void {
  select.addEventListener('change', () => chooseScenario(select.value))
  // Clears the scenario that an earlier page may have left.
  chooseScenario('nothing')
}
