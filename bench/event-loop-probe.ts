/**
 * Loaded into a program by `--import`: on request, sends the longest time that its event loop was blocked since the
 * request before, in milliseconds.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Rare wake-ups, so that the probe takes no measurable time itself. */
const resolution = 10
const histogram = monitorEventLoopDelay({ resolution })
histogram.enable()
process.on('message', () => {
  // The histogram counts the time between two timers, which includes their interval.
  process.send?.({ blockedMs: Math.max(0, histogram.max / 1e6 - resolution) })
  histogram.reset()
})
// The probe must not keep the program alive.
process.channel?.unref()
