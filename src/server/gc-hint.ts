/**
 * Keeps V8's young generation small and short-lived. With V8's defaults, garbage collection costs a service like this
 * one more than its own work (docs/performance.md).
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { limits } from '../config/limits.ts'

// V8 allocates objects directly in the old generation (pretenuring) when most objects of the same allocation site
// survived earlier collections, as they do at startup, when requests are few and slow. Under load such objects are dead
// by the next minor collection, which does not look at the old generation and so keeps everything they point to: each
// minor collection took four times as long, and only full collections freed the objects that it promoted.
setFlagsFromString('--no-allocation-site-pretenuring')

// The flag exposes `gc` only to contexts created from now on, and only this module creates one.
setFlagsFromString('--expose-gc')
const minorGc: unknown = runInNewContext('gc')

/** Bytes streamed by the whole process since the last hint. */
let streamedBytes = 0

/**
 * Counts the bytes of streamed chunks and requests a minor collection every `limits.body.minorGcEveryBytes`. Chunks are
 * allocated outside V8's heap and do not count for its young generation: few objects hold many megabytes, so minor
 * collections are rare and full collections, which mark all live objects, free the chunks. A minor collection by bytes
 * returns the memory while it is still in the processor's cache: streaming costs half as much.
 */
export function hintMinorGc (bytes: number): void {
  streamedBytes += bytes
  if (streamedBytes < limits.body.minorGcEveryBytes) return
  streamedBytes = 0
  if (typeof minorGc === 'function') Reflect.apply(minorGc, undefined, [{ type: 'minor' }])
}
