import { limits } from '../../config/limits.ts'

/** A valid row, with its values as JSON, so that it takes little memory while it waits. */
export interface QueuedRow {
  number: number
  json: string
}

/** Rows that were taken are removed when there are so many. */
const compactAt = 1_000

/** Valid rows between their reader and their sender. The reader waits while they have too many characters. */
export class RowQueue {
  #rows: QueuedRow[] = []
  #head = 0
  #length = 0
  #isEnded = false
  #onRow: (() => void) | undefined
  #onSpace: (() => void) | undefined

  /** Characters of the rows that wait. */
  get length (): number {
    return this.#length
  }

  /** Resolves when there is space for the next row. Rows must be added one after the other. */
  async add (row: QueuedRow): Promise<void> {
    if (this.#isEnded) return
    this.#rows.push(row)
    this.#length += row.json.length
    this.#onRow?.()
    while (this.#length > limits.imports.queueMaxLength && !this.#isEnded) {
      await new Promise<void>(resolve => { this.#onSpace = resolve })
    }
  }

  /** Returns the next row, as soon as there is one; undefined after the last one. Must not be called in parallel. */
  async take (): Promise<QueuedRow | undefined> {
    while (this.#head === this.#rows.length && !this.#isEnded) {
      await new Promise<void>(resolve => { this.#onRow = resolve })
    }
    const row = this.#rows[this.#head]
    if (row === undefined) return undefined
    this.#head++
    this.#length -= row.json.length
    if (this.#head >= compactAt || this.#head === this.#rows.length) {
      this.#rows = this.#rows.slice(this.#head)
      this.#head = 0
    }
    if (this.#length <= limits.imports.queueMaxLength) this.#onSpace?.()
    return row
  }

  /** Puts rows back, to be taken first. */
  putBack (rows: readonly QueuedRow[]): void {
    this.#rows = [...rows, ...this.#rows.slice(this.#head)]
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
    this.#rows = []
    this.#head = 0
    this.#length = 0
    this.end()
  }
}
