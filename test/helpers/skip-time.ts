/** Moves the clocks of a test. */
import type { Test } from 'tap'

/** Returns a function that lets so many milliseconds pass: it moves the wall clock and the monotonic clock ahead. */
export function skipTime (t: Test): (ms: number) => void {
  let skippedMs = 0
  const now = Date.now.bind(Date)
  const monotonicNow = performance.now.bind(performance)
  t.intercept(Date, 'now', { value: () => now() + skippedMs })
  t.intercept(performance, 'now', { value: () => monotonicNow() + skippedMs })
  return ms => { skippedMs += ms }
}

/** Returns a function that sets the wall clock ahead, or back if `ms` is negative. No time passes. */
export function moveWallClock (t: Test): (ms: number) => void {
  let movedMs = 0
  const now = Date.now.bind(Date)
  t.intercept(Date, 'now', { value: () => now() + movedMs })
  return ms => { movedMs += ms }
}
