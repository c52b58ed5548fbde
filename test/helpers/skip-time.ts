/** A clock of the test's own: as real time goes on, with what is skipped on top. */
import type { Test } from 'tap'

/** What comes back moves `Date.now` on by so many milliseconds. */
export function skipTime (t: Test): (ms: number) => void {
  let skippedMs = 0
  const now = Date.now.bind(Date)
  t.intercept(Date, 'now', { value: () => now() + skippedMs })
  return ms => { skippedMs += ms }
}
