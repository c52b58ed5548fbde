import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc: unknown = runInNewContext('gc')

/** Runs a full garbage collection. */
export function collectGarbage (): void {
  if (typeof gc !== 'function') throw new Error('V8 does not expose its garbage collector')
  Reflect.apply(gc, undefined, [])
}
