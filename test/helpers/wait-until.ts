/** Waits for what another process or the other end of a socket does, where there is no event to await. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the condition holds; a test that waits in vain ends by tap's own limit. */
export async function waitUntil (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}
