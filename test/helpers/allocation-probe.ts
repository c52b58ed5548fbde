/**
 * Loaded into a program by `--import`: on request, sends the number of bytes that V8 has allocated since the start, and
 * the number of promises since `count-promises` was received.
 */
import { getHeapStatistics, promiseHooks } from 'node:v8'

let promises = 0

process.on('message', message => {
  if (message === 'count-promises') promiseHooks.onInit(() => { promises++ })
  process.send?.({ bytes: getAllocatedBytes(), promises })
})
// The probe must not keep the program alive.
process.channel?.unref()

/** The type of Node 26 does not have this member yet. */
function getAllocatedBytes (): number {
  const statistics: object = getHeapStatistics()
  const bytes: unknown = Reflect.get(statistics, 'total_allocated_bytes')
  return typeof bytes === 'number' ? bytes : NaN
}
