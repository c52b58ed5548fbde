/** Loaded into a program by `--import`: on request, sends the number of bytes that V8 has allocated since the start. */
import { getHeapStatistics } from 'node:v8'

process.on('message', () => process.send?.({ bytes: getAllocatedBytes() }))
// The probe must not keep the program alive.
process.channel?.unref()

/** The type of Node 26 does not have this member yet. */
function getAllocatedBytes (): number {
  const statistics: object = getHeapStatistics()
  const bytes: unknown = Reflect.get(statistics, 'total_allocated_bytes')
  return typeof bytes === 'number' ? bytes : NaN
}
