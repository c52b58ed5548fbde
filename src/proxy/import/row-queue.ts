import { limits } from '../../config/limits.ts'
import type { FieldValues } from '../../endpoints/endpoint.ts'
import { EventLoopPauses } from '../../util/event-loop-pauses.ts'
import { isJsonObject } from '../../util/is-json-object.ts'

/** A valid row, with its values as JSON. */
export interface QueuedRow {
  number: number
  json: string
}

export function parseValues ({ json }: QueuedRow): FieldValues {
  const values: unknown = JSON.parse(json)
  return new Map(isJsonObject(values) ? Object.entries(values) : [])
}

/** Bytes of the rows that are stored together. */
const blockBytes = 65_536
const lineFeed = 0x0a
const noBytes: Buffer = Buffer.alloc(0)

/**
 * Valid rows between their reader and their sender, as lines outside V8's heap: as objects, they would take twice as
 * much memory. The reader waits while they have too many bytes.
 */
export class RowQueue {
  /** The rows that are taken next. */
  #first = noBytes
  /** Those after them. */
  #blocks: Buffer[] = []
  /** The rows that were added last. */
  readonly #last = Buffer.allocUnsafeSlow(blockBytes)
  #lastBytes = 0
  #bytes = 0
  #isEnded = false
  readonly #pauses = new EventLoopPauses()
  #onRow: (() => void) | undefined
  #onSpace: (() => void) | undefined

  /** Resolves when there is space for the next row. Rows must be added one after the other. */
  async add (row: QueuedRow): Promise<void> {
    if (this.#isEnded) return
    const line = toLine(row)
    const bytes = Buffer.byteLength(line)
    if (this.#lastBytes + bytes > blockBytes) this.#closeBlock()
    if (bytes > blockBytes) this.#blocks.push(Buffer.from(line))
    else this.#lastBytes += this.#last.write(line, this.#lastBytes)
    this.#bytes += bytes
    this.#onRow?.()
    while (this.#bytes > limits.imports.queueMaxBytes && !this.#isEnded) {
      await new Promise<void>(resolve => { this.#onSpace = resolve })
    }
  }

  /** Returns the next row, as soon as there is one; undefined after the last one. Must not be called in parallel. */
  async take (): Promise<QueuedRow | undefined> {
    await this.#pauses.pauseIfDue()
    while (this.#first.length === 0) {
      if (this.#blocks.length === 0) this.#closeBlock()
      const block = this.#blocks.shift()
      if (block !== undefined) this.#first = block
      else if (this.#isEnded) return undefined
      else await new Promise<void>(resolve => { this.#onRow = resolve })
    }
    const end = this.#first.indexOf(lineFeed)
    const row = parseLine(this.#first.toString('utf8', 0, end))
    this.#first = this.#first.subarray(end + 1)
    this.#bytes -= end + 1
    if (this.#bytes <= limits.imports.queueMaxBytes) this.#onSpace?.()
    return row
  }

  /** Puts rows back, to be taken first. */
  putBack (rows: readonly QueuedRow[]): void {
    const block = Buffer.from(rows.map(toLine).join(''))
    this.#blocks.unshift(this.#first)
    this.#first = block
    this.#bytes += block.length
  }

  /** No more rows are added. */
  end (): void {
    this.#isEnded = true
    this.#onRow?.()
    this.#onSpace?.()
  }

  /** Discards the rows that wait, and those that are added from now on. */
  close (): void {
    this.#first = noBytes
    this.#blocks = []
    this.#lastBytes = 0
    this.#bytes = 0
    this.end()
  }

  #closeBlock (): void {
    if (this.#lastBytes > 0) this.#blocks.push(Buffer.from(this.#last.subarray(0, this.#lastBytes)))
    this.#lastBytes = 0
  }
}

/** JSON has no line breaks outside its strings, and they are escaped in them. */
const toLine = ({ number, json }: QueuedRow) => `${number} ${json}\n`

function parseLine (line: string): QueuedRow {
  const end = line.indexOf(' ')
  return { number: Number(line.slice(0, end)), json: line.slice(end + 1) }
}
