/**
 * Requests garbage collections: minor ones after the start and by the bytes that are streamed, which V8 does not count,
 * and full ones by the rows that are imported. Works only if Node runs with `--expose-gc`, as `npm start` does;
 * otherwise it does nothing (docs/decisions/gc-hint.md).
 */
import { limits } from '../config/limits.ts'

/** Bytes streamed by the whole process since the last hint. */
let streamedBytes = 0
/** Rows imported by the whole process since the last hint. */
let importedRows = 0

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
  globalThis.gc?.({ type: 'minor' })
}

/**
 * Requests minor collections in the seconds after the start, so that V8 returns the memory that only the start needed.
 * The young generation grows to 30 MB while modules are loaded. V8 shrinks it in a minor collection if little was
 * allocated in the last seconds, but an idle service allocates so little that the next collection is half an hour away.
 * Under load V8 does not shrink it.
 */
export function hintMinorGcAfterStart (): void {
  let remaining = limits.server.startMinorGcMax
  const timer = setInterval(() => {
    globalThis.gc?.({ type: 'minor' })
    remaining--
    if (remaining === 0) clearInterval(timer)
  }, limits.server.startMinorGcIntervalMs).unref()
}

/**
 * Counts rows that were read or sent and requests a full collection every `limits.imports.majorGcEveryRows`. Each row
 * leaves garbage, part of which outlives several minor collections. V8 would free it only after its heap has doubled.
 */
export function hintMajorGc (rows: number): void {
  importedRows += rows
  if (importedRows < limits.imports.majorGcEveryRows) return
  importedRows = 0
  globalThis.gc?.({ type: 'major' })
}
