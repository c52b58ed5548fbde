/**
 * Writes the log and the audit trail to one target, in batches. A target that cannot be written never stops the
 * service: lines wait in a limited buffer, and lines that are lost are counted and reported once.
 */
import type { DestinationStream } from 'pino'
import { limits } from '../config/limits.ts'

/** Lines of the audit trail have a buffer of their own, so that no other line can take its space. */
type LineKind = 'log' | 'audit'

/** Receives the lines of this process. */
export interface LogOutput extends Readonly<Record<LineKind, DestinationStream>> {
  /** Characters that the buffer of the audit trail can still hold. */
  readonly auditCapacity: number
  readonly droppedLines: Readonly<Record<LineKind, number>>
  /** Counts an audit line that is not written, because its space is reserved for other lines. */
  dropAuditLine (): void
}

/** Returns an output that passes each line on at once. */
export function unbufferedOutput (write: (line: string) => void): LogOutput {
  const droppedLines = { log: 0, audit: 0 }
  return { log: { write }, audit: { write }, auditCapacity: Infinity, droppedLines, dropAuditLine: () => {} }
}

type WriteCallback = (error: NodeJS.ErrnoException | null, bytesWritten: number) => void

/** The file, pipe or socket to which lines are written. */
export interface LogTarget {
  /** May write a part of the data, or nothing (EAGAIN). Calls back at once, or when the write ended. */
  write (data: Buffer, onWritten: WriteCallback): void
  /** Writes a part of the data. @throws when nothing can be written */
  writeSync (data: Buffer): number
  /** Writes a line for the operator to another place, and returns whether that worked. */
  report (line: string): boolean
}

/** Data of one buffer that is being written. */
interface PendingWrite {
  readonly buffer: LineBuffer
  data: Buffer
  /** False while the writer waits until the target accepts data again. */
  isInFlight: boolean
}

const newline = 0x0a
/** What a write to a non-blocking pipe fails with while its reader is slow. */
const isBusy = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'EAGAIN'

export class LogWriter implements LogOutput {
  readonly log: LineBuffer
  readonly audit: LineBuffer
  readonly #target: LogTarget
  #timer: NodeJS.Timeout | undefined
  #pending: PendingWrite | undefined
  /** The last write failed within a line. */
  #isLineIncomplete = false
  #isLossReported = false

  /** @param auditMaxLength characters of audit lines that wait to be written */
  constructor (target: LogTarget, auditMaxLength: number = limits.log.auditMaxLength) {
    this.#target = target
    const onLine = (length: number) => this.#schedule(length)
    const onDrop = () => this.#reportLoss('its reader is too slow')
    this.log = new LineBuffer(limits.log.maxLength, onLine, onDrop)
    this.audit = new LineBuffer(auditMaxLength, onLine, onDrop)
  }

  get auditCapacity (): number {
    return this.audit.capacity
  }

  get droppedLines (): Record<LineKind, number> {
    return { log: this.log.droppedLines, audit: this.audit.droppedLines }
  }

  dropAuditLine (): void {
    this.audit.drop()
  }

  /**
   * Writes what is left before the process exits. Waits at most `limits.log.exitMs` for a slow reader, and drops the
   * rest.
   */
  close (): void {
    clearTimeout(this.#timer)
    const deadlineMs = performance.now() + limits.log.exitMs
    // A thread writes the data that is in flight. The process does not exit before that thread ended.
    if (this.#pending?.isInFlight === true) this.#pending = undefined
    for (let pending = this.#next(); pending !== undefined; pending = this.#next()) {
      try {
        this.#onWritten(pending, this.#target.writeSync(pending.data))
      } catch (error) {
        if (isBusy(error) && performance.now() < deadlineMs) waitSync(limits.log.retryMs)
        else this.#drop(pending, error)
      }
    }
  }

  #schedule (bufferedLength: number): void {
    if (bufferedLength >= limits.log.batchLength) this.#flush()
    else if (bufferedLength > 0) this.#timer ??= setTimeout(() => this.#flush(), limits.log.batchMs)
  }

  #flush (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#pending !== undefined) return
    const pending = this.#next()
    if (pending !== undefined) this.#write(pending)
  }

  /** Returns the data to write next: the rest of the last write, else that of a buffer, the audit trail first. */
  #next (): PendingWrite | undefined {
    if (this.#pending !== undefined) return this.#pending
    const buffer = [this.audit, this.log].find(({ length }) => length > 0)
    if (buffer === undefined) return undefined
    const data = Buffer.from(this.#isLineIncomplete ? `\n${buffer.take()}` : buffer.take())
    this.#pending = { buffer, data, isInFlight: false }
    return this.#pending
  }

  #write (pending: PendingWrite): void {
    pending.isInFlight = true
    this.#target.write(pending.data, (error, bytesWritten) => {
      pending.isInFlight = false
      if (error === null) this.#onWritten(pending, bytesWritten)
      else if (!isBusy(error)) this.#drop(pending, error)
      if (this.#pending === undefined) this.#schedule(Math.max(this.log.length, this.audit.length))
      else if (isBusy(error)) setTimeout(() => this.#retry(pending), limits.log.retryMs).unref()
      else this.#write(pending)
    })
  }

  #retry (pending: PendingWrite): void {
    if (this.#pending === pending) this.#write(pending)
  }

  #onWritten (pending: PendingWrite, bytesWritten: number): void {
    if (bytesWritten > 0) this.#isLineIncomplete = pending.data[bytesWritten - 1] !== newline
    pending.data = pending.data.subarray(bytesWritten)
    if (pending.data.length === 0) this.#release(pending)
  }

  #drop (pending: PendingWrite, error: unknown): void {
    pending.buffer.droppedLines += countLines(pending.data)
    this.#release(pending)
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    this.#reportLoss(isBusy(error) ? 'its reader is too slow' : code)
  }

  #release ({ buffer }: PendingWrite): void {
    this.#pending = undefined
    buffer.release()
  }

  #reportLoss (reason: string): void {
    this.#isLossReported ||= this.#target.report(
      `Log lines are lost, because stdout cannot be written (${reason}). ` +
      'The service goes on. The metric procore_bff_log_lines_dropped_total counts them.'
    )
  }
}

/** Holds lines until they are written. Beyond its limit, lines are dropped and counted. */
class LineBuffer implements DestinationStream {
  droppedLines = 0
  readonly #maxLength: number
  readonly #onLine: (length: number) => void
  readonly #onDrop: () => void
  #text = ''
  /** Length of the text that was taken and is not written yet. */
  #takenLength = 0

  constructor (maxLength: number, onLine: (length: number) => void, onDrop: () => void) {
    this.#maxLength = maxLength
    this.#onLine = onLine
    this.#onDrop = onDrop
  }

  /** Characters that wait to be written. */
  get length (): number {
    return this.#text.length
  }

  /** Characters that it can still hold. */
  get capacity (): number {
    return this.#maxLength - this.#text.length - this.#takenLength
  }

  write (line: string): void {
    if (line.length > this.capacity) {
      this.drop()
    } else {
      this.#text += line
      this.#onLine(this.#text.length)
    }
  }

  drop (): void {
    this.droppedLines++
    this.#onDrop()
  }

  take (): string {
    const text = this.#text
    this.#text = ''
    this.#takenLength = text.length
    return text
  }

  /** Frees the space of the text that was taken. */
  release (): void {
    this.#takenLength = 0
  }
}

/** Counts the lines that end in the data, but for a newline at its start: the text of that line is written. */
function countLines (data: Buffer): number {
  let count = 0
  for (let end = data.indexOf(newline, 1); end !== -1; end = data.indexOf(newline, end + 1)) count++
  return count
}

function waitSync (ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
