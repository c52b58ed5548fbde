import { limits } from '../../config/limits.ts'
import { EventLoopPauses } from '../../util/event-loop-pauses.ts'

/** A valid row, with its values as JSON, so that it takes little memory while it waits. */
export interface QueuedRow {
  number: number
  json: string
}

/** Rows of one list of the queue. */
const listRowsMax = 1_000

/** Valid rows between their reader and their sender. The reader waits while they have too many characters. */
export class RowQueue {
  /** Lists of rows, none empty, so that rows that were taken are freed without a copy of those that wait. */
  #lists: QueuedRow[][] = []
  /** Rows of the first list that were taken. */
  #head = 0
  #length = 0
  #isEnded = false
  readonly #pauses = new EventLoopPauses()
  #onRow: (() => void) | undefined
  #onSpace: (() => void) | undefined

  /** Characters of the rows that wait. */
  get length (): number {
    return this.#length
  }

  /** Resolves when there is space for the next row. Rows must be added one after the other. */
  async add (row: QueuedRow): Promise<void> {
    if (this.#isEnded) return
    const last = this.#lists.at(-1)
    if (last === undefined || last.length >= listRowsMax) this.#lists.push([row])
    else last.push(row)
    this.#length += row.json.length
    this.#onRow?.()
    while (this.#length > limits.imports.queueMaxLength && !this.#isEnded) {
      await new Promise<void>(resolve => { this.#onSpace = resolve })
    }
  }

  /** Returns the next row, as soon as there is one; undefined after the last one. Must not be called in parallel. */
  async take (): Promise<QueuedRow | undefined> {
    await this.#pauses.pauseIfDue()
    while (this.#lists.length === 0 && !this.#isEnded) {
      await new Promise<void>(resolve => { this.#onRow = resolve })
    }
    const [list = []] = this.#lists
    const row = list[this.#head]
    if (row === undefined) return undefined
    this.#head++
    this.#length -= row.json.length
    if (this.#head === list.length) {
      this.#lists.shift()
      this.#head = 0
    }
    if (this.#length <= limits.imports.queueMaxLength) this.#onSpace?.()
    return row
  }

  /** Puts rows back, to be taken first. */
  putBack (rows: readonly QueuedRow[]): void {
    const [first = [], ...others] = this.#lists
    this.#lists = [[...rows], first.slice(this.#head), ...others].filter(list => list.length > 0)
    this.#head = 0
    this.#length += rows.reduce((length, { json }) => length + json.length, 0)
  }

  /** No more rows are added. */
  end (): void {
    this.#isEnded = true
    this.#onRow?.()
    this.#onSpace?.()
  }

  /** Discards the rows that wait, and those that are added from now on. */
  close (): void {
    this.#lists = []
    this.#head = 0
    this.#length = 0
    this.end()
  }
}
