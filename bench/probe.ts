/**
 * Loaded into a program by `--import`, and answers each message that it receives:
 * - `readBlockedMs`: the longest time that the event loop was blocked since the message before, in milliseconds
 * - `startProfile`: starts V8's CPU profiler
 * - `stopProfile`: its profile
 */
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Rare wake-ups, so that the probe takes no measurable time itself. */
const resolution = 10
const profileIntervalMicros = 500
const histogram = monitorEventLoopDelay({ resolution })
const session = new Session()
histogram.enable()
process.on('message', async message => { process.send?.({ value: await answer(message) }) })
// The probe must not keep the program alive.
process.channel?.unref()

async function answer (message: unknown): Promise<unknown> {
  switch (message) {
    case 'readBlockedMs': return readBlockedMs()
    case 'startProfile': return startProfile()
    case 'stopProfile': return (await session.post('Profiler.stop')).profile
    default: throw new Error(`The probe does not know the message ${String(message)}.`)
  }
}

/** The histogram counts the time between two timers, which includes their interval. */
function readBlockedMs (): number {
  const blockedMs = Math.max(0, histogram.max / 1e6 - resolution)
  histogram.reset()
  return blockedMs
}

async function startProfile (): Promise<void> {
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: profileIntervalMicros })
  await session.post('Profiler.start')
}
