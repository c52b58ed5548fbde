/**
 * Collects the young generation while bodies stream through. A chunk's bytes lie outside V8's heap, where its young generation does not
 * count them: few objects come with many megabytes, so it would be collected seldom, and the chunks would be freed by full collections, for
 * which all that lives is marked. Asked for by the bytes that came, it gives the memory back while it is still in the processor's
 * cache: streaming costs half as much (bench/NOTES.md).
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { limits } from './limits.ts'

// The flag shows V8's collector to contexts that are made from now on; no code but this has one.
setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/** Of the whole process, as its heap is. */
let streamedBytes = 0

/** To be told of the bytes of every chunk that is not kept. */
export function noteStreamed (bytes: number): void {
  streamedBytes += bytes
  if (streamedBytes < limits.collectEveryBytes) return
  streamedBytes = 0
  if (typeof collect === 'function') collect({ type: 'minor' })
}
