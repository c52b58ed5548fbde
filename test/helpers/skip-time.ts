/** Moves the clock of a test ahead. */
import type { Test } from 'tap'

/** Returns a function that moves `Date.now` ahead by so many milliseconds. */
export function skipTime (t: Test): (ms: number) => void {
  let skippedMs = 0
  const now = Date.now.bind(Date)
  t.intercept(Date, 'now', { value: () => now() + skippedMs })
  return ms => { skippedMs += ms }
}
