/**
 * How V8's young generation is kept small and short-lived, where its own way costs a service like this one more than its work (bench/NOTES.md). It
 * knows nothing of whose memory it is.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { limits } from '../config/limits.ts'

// V8 makes objects in the old generation at once where most that came from the same place lived on, as at the start of a service, when requests
// are few and slow. At load they are dead by the next collection of the young one, which leaves the old one alone and so keeps whatever they point
// to: each took four times as long, and what it moved had to be found by full collections.
setFlagsFromString('--no-allocation-site-pretenuring')

// The flag shows V8's collector to contexts that are made from now on; no code but this has one.
setFlagsFromString('--expose-gc')
const minorGc: unknown = runInNewContext('gc')

/** Of the whole process, as its heap is. */
let streamedBytes = 0

/**
 * To be told of the bytes of every chunk that is not kept. They lie outside V8's heap, where its young generation does not count them: few
 * objects come with many megabytes, so it would be collected seldom, and the chunks would be freed by full collections, for which all that lives
 * is marked. Asked for by the bytes that came, it gives the memory back while it is still in the processor's cache: streaming costs half as much.
 */
export function hintMinorGc (bytes: number): void {
  streamedBytes += bytes
  if (streamedBytes < limits.body.minorGcEveryBytes) return
  streamedBytes = 0
  if (typeof minorGc === 'function') minorGc({ type: 'minor' })
}
