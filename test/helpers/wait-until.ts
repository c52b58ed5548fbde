/** Waits for another process or the other end of a socket, where no event can be awaited. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the condition holds. If it never does, tap's timeout ends the test. */
export async function waitUntil (condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(5)
}
