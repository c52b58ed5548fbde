/**
 * The results of an import's rows, in order, until the caller reads them. The response is NDJSON: a line for each row,
 * lines about the progress while there is nothing else to report, and a last line with the totals.
 */
import { Readable } from 'node:stream'
import { limits } from '../../config/limits.ts'
import type { ImportRowStatus } from '../../telemetry/request-record.ts'
import { problemBody, type FieldError, type Problem, type ProblemCode } from '../../server/problem.ts'

/** The result of one row. */
export interface RowResult {
  status: ImportRowStatus
  /** Id of the person in Procore. */
  id?: number
  errors?: readonly FieldError[]
  /** Why callers may not set a value of the row. */
  code?: ProblemCode
  detail?: string
}

/** Lines are passed on in pieces of this many characters. */
const pieceLength = 16_384

/** Rows are added in order as they are read, and get their results in any order. */
export class ImportResults {
  /** By row; undefined while a result is not known, and after its line was taken. */
  readonly #results: Array<RowResult | undefined> = []
  /** Rows whose lines were taken. */
  #taken = 0
  #finished = 0
  #errorsLength = 0
  readonly #totals: Record<ImportRowStatus, number> = {
    created: 0, updated: 0, invalid: 0, rejected: 0, unknown: 0, not_sent: 0, unchanged: 0,
  }

  #state: 'running' | 'ended' | 'taken' = 'running'
  /** Why the import ended early. */
  #problem: Problem | undefined
  #onChange: () => void = () => {}

  /** Number of rows that were read. */
  get rows (): number {
    return this.#results.length
  }

  /** Number of rows with each result. */
  get totals (): Readonly<Record<ImportRowStatus, number>> {
    return this.#totals
  }

  /** Adds the next row, whose result is not known yet. */
  add (): void {
    this.#results.push(undefined)
  }

  /** Sets the result of a row, once. Rows are numbered from 1. */
  set (row: number, result: RowResult): void {
    this.#results[row - 1] = this.#limitErrors(result)
    this.#totals[result.status]++
    this.#finished++
    this.#onChange()
  }

  /** Ends the import. Rows that have no result yet have not been sent. */
  end (problem: Problem | undefined): void {
    for (let index = this.#taken; index < this.#results.length; index++) {
      if (this.#results[index] === undefined) this.set(index + 1, { status: 'not_sent' })
    }
    this.#problem = problem
    this.#state = 'ended'
    this.#onChange()
  }

  /** Returns the lines of the response. Must be called once. Whether they are read does not delay the import. */
  read (requestId: string): Readable {
    return new LineStream({
      next: () => this.#takeLines(requestId),
      progress: () => this.#state === 'running' ? toLine({ progress: this.#progress }) : undefined,
      onChange: listener => { this.#onChange = listener },
    })
  }

  get #progress (): { read: number, finished: number } {
    return { read: this.rows, finished: this.#finished }
  }

  #takeLines (requestId: string): string | null {
    let lines = ''
    for (; this.#taken < this.#results.length && lines.length < pieceLength; this.#taken++) {
      const result = this.#results[this.#taken]
      if (result === undefined) break
      lines += toLine({ row: this.#taken + 1, ...result })
      this.#results[this.#taken] = undefined
      this.#errorsLength -= errorsLength(result)
    }
    if (lines !== '' || this.#state === 'running' || this.#taken < this.#results.length) return lines
    if (this.#state === 'taken') return null
    this.#state = 'taken'
    const problem = this.#problem && toProblemMember(this.#problem, requestId)
    return toLine({ totals: { rows: this.rows, ...this.#totals }, problem })
  }

  /** Leaves errors out while the caller reads too few of them. */
  #limitErrors (result: RowResult): RowResult {
    const length = errorsLength(result)
    if (length === 0) return result
    if (this.#errorsLength + length > limits.imports.errorsMaxLength) return { ...result, errors: [] }
    this.#errorsLength += length
    return result
  }
}

const errorsLength = ({ errors = [] }: RowResult) =>
  errors.reduce((length, { pointer, field, message }) => length + pointer.length + field.length + message.length, 0)

const toLine = (value: unknown) => `${JSON.stringify(value)}\n`

/** Each row has its own outcome, so the problem has none. */
function toProblemMember (problem: Problem, requestId: string): unknown {
  const body: unknown = JSON.parse(problemBody(problem.withoutOutcome(), requestId))
  const retryAfter = problem.extras.headers?.['retry-after']
  return retryAfter === undefined ? body : Object.assign({}, body, { retry_after: Number(retryAfter) })
}

interface LineSource {
  /** Returns an empty text if no line is known, and null after the last one. */
  next (): string | null
  progress (): string | undefined
  onChange (listener: () => void): void
}

/** Passes lines on when they are known and the reader wants them. */
class LineStream extends Readable {
  readonly #source: LineSource
  /** Undefined before the first line is wanted, because a response whose caller has left is never read. */
  #timer: NodeJS.Timeout | undefined
  #isWanted = false
  #hasWritten = false

  constructor (source: LineSource) {
    super()
    this.#source = source
    source.onChange(() => this.#write())
  }

  override _read (): void {
    this.#timer ??= setInterval(() => this.#writeProgress(), limits.imports.progressIntervalMs)
    this.#isWanted = true
    this.#write()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#timer)
    this.#source.onChange(() => {})
    callback(error)
  }

  #write (): void {
    while (this.#isWanted) {
      const lines = this.#source.next()
      if (lines === '') return
      this.#hasWritten = true
      this.#isWanted = this.push(lines) && lines !== null
    }
  }

  #writeProgress (): void {
    const line = this.#hasWritten || !this.#isWanted ? undefined : this.#source.progress()
    this.#hasWritten = false
    if (line !== undefined) this.push(line)
  }
}
