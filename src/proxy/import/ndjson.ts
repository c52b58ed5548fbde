/** Reads the rows of an NDJSON file, one JSON object a line, as its bytes arrive. */
import { isUtf8 } from 'node:buffer'
import { isJsonObject } from '../../util/is-json-object.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import { parseExactJson } from '../body/exact-json.ts'
import type { Violation } from '../validation/schema.ts'
import type { ImportRow } from './row.ts'
import type { RowValidator } from './row-validator.ts'

const byteOrderMark = '\ufeff'
const lineFeed = 0x0a

const notUtf8: Violation = { rule: 'format', message: 'must be UTF-8' }
const notAnObject: Violation = { rule: 'type', message: 'must be one JSON object in one line' }

/**
 * Yields the rows of a file in order. A line that is not a JSON object is an invalid row.
 * @throws {Problem} `body_too_large` for too many rows, after the rows before the fault
 */
export async function * readNdjson (
  source: AsyncIterable<Buffer>, rows: RowValidator, rowMaxBytes: number
): AsyncGenerator<ImportRow> {
  const tooLong: Violation = { rule: 'size', message: `must have at most ${rowMaxBytes} bytes` }
  let line: ByteBuffer | 'too long' = new ByteBuffer()
  let isFirst = true
  const validate = () => {
    const row = line === 'too long' ? rows.reject(tooLong) : validateLine(line.bytes, isFirst, rows)
    isFirst = false
    return row
  }
  for await (const chunk of source) {
    let start = 0
    while (start < chunk.length) {
      const index = chunk.indexOf(lineFeed, start)
      const end = index < 0 ? chunk.length : index
      if (line !== 'too long' && line.length + end - start > rowMaxBytes) line = 'too long'
      if (line !== 'too long') line.add(chunk.subarray(start, end))
      start = end + 1
      if (index < 0) break
      const row = validate()
      line = new ByteBuffer()
      if (row !== undefined) yield row
    }
  }
  const row = validate()
  if (row !== undefined) yield row
}

/** Returns undefined for a blank line. */
function validateLine (bytes: Buffer, isFirst: boolean, rows: RowValidator): ImportRow | undefined {
  if (!isUtf8(bytes)) return rows.reject(notUtf8)
  const text = bytes.toString()
  const line = isFirst && text.startsWith(byteOrderMark) ? text.slice(1) : text
  if (line.trim() === '') return undefined
  const value = parseExactJson(line)
  return isJsonObject(value) ? rows.validateObject(value) : rows.reject(notAnObject)
}
