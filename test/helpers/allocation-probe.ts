/** Loaded into a program by `--import`: tells over its channel how many bytes V8 has allocated since the start, whenever it is asked. */
import { getHeapStatistics } from 'node:v8'

process.on('message', () => process.send?.({ bytes: getAllocatedBytes() }))
// Whoever only measures keeps no program alive.
process.channel?.unref()

/** Node 26 counts them; its types do not know yet. */
function getAllocatedBytes (): number {
  const statistics: object = getHeapStatistics()
  return 'total_allocated_bytes' in statistics && typeof statistics.total_allocated_bytes === 'number' ? statistics.total_allocated_bytes : NaN
}
