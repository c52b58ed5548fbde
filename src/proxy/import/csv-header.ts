/** Reads the header of a CSV file, and recognizes by it which character separates the cells. */
import { parse } from 'csv-parse/sync'
import { limits } from '../../config/limits.ts'
import { Problem, type FieldError } from '../../server/problem.ts'
import { ByteBuffer } from '../body/byte-buffer.ts'
import { findSimilarName } from './similar-name.ts'
import type { Column, RowValidator } from './row-validator.ts'

/** What spreadsheets write between cells: Excel uses the list separator of the system, or a tab for text files. */
const delimiters = [',', ';', '\t'] as const

/** The columns of a file, in order. */
export interface CsvHeader {
  delimiter: string
  columns: Column[]
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])
const quote = 0x22
const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Collects the lines before the first row: a `sep=;` of Excel, blank lines, and the header. */
export class HeaderReader {
  readonly #rows: RowValidator
  readonly #bytes = new ByteBuffer()
  #position = 0
  #lineStart = 0
  #isQuoted = false
  #delimiter: string | undefined

  constructor (rows: RowValidator) {
    this.#rows = rows
  }

  /**
   * Returns the header and the bytes from its line break on, or undefined until the header is complete.
   * @throws {Problem} `malformed_csv`, or `validation_failed` with an error for each column
   */
  write (chunk: Buffer): { header: CsvHeader, rest: Buffer } | undefined {
    this.#bytes.add(chunk)
    const { bytes } = this.#bytes
    const { headerMaxBytes } = limits.importFile
    for (; this.#position < bytes.length; this.#position++) {
      if (this.#position > headerMaxBytes) {
        throw malformedCsv(`The header has more than ${headerMaxBytes} bytes. A quote in it may not be closed.`)
      }
      const byte = bytes[this.#position]
      // A doubled quote in quotes ends them and starts them again.
      if (byte === quote) this.#isQuoted = !this.#isQuoted
      if ((byte !== lineFeed && byte !== carriageReturn) || this.#isQuoted) continue
      const header = this.#readLine(bytes.subarray(this.#lineStart, this.#position))
      // A line break between CR and LF would count twice, so the parser of the rows skips all of it.
      if (header !== undefined) return { header, rest: Buffer.from(bytes.subarray(this.#position)) }
      this.#lineStart = this.#position + 1
    }
    return undefined
  }

  /** Returns the header of a file that has no line break after it. */
  end (): CsvHeader {
    const header = this.#readLine(this.#bytes.bytes.subarray(this.#lineStart))
    if (header === undefined) throw malformedCsv('The file is empty. Its first row must have the names of the fields.')
    return header
  }

  #readLine (line: Buffer): CsvHeader | undefined {
    const isFirst = this.#lineStart === 0
    const text = line.toString('utf8', isFirst && line.subarray(0, 3).equals(byteOrderMark) ? 3 : 0)
    const separator = /^"?sep=([,;\t])"?$/i.exec(text)?.[1]
    if (separator !== undefined) this.#delimiter = separator
    // A blank row of a spreadsheet has only separators.
    if (separator !== undefined || /^[\s,;"]*$/.test(text)) return undefined
    return parseHeader(text, this.#delimiter === undefined ? delimiters : [this.#delimiter], this.#rows)
  }
}

function parseHeader (line: string, candidates: readonly string[], rows: RowValidator): CsvHeader {
  const known = new Set(rows.fieldNames)
  const parsed = candidates.flatMap(delimiter => {
    const names = parseNames(line, delimiter)
    return names === undefined ? [] : [{ delimiter, names, knownCount: names.filter(name => known.has(name)).length }]
  })
  const [best] = parsed.sort((a, b) => b.knownCount - a.knownCount || b.names.length - a.names.length)
  if (best === undefined) throw malformedCsv('The header has a quote in a cell, or text after a closing quote.')
  const { columnsMax } = limits.importFile
  if (best.names.length > columnsMax) throw malformedCsv(`The header has more than ${columnsMax} columns.`)
  assertColumns(best.names, rows)
  const columns = best.names.map((name): Column => name === '' ? { kind: 'unnamed' } : { kind: 'field', name })
  return { delimiter: best.delimiter, columns }
}

/** Returns undefined if the quotes of the line are not those of a CSV file with this delimiter. */
function parseNames (line: string, delimiter: string): string[] | undefined {
  try {
    const [record = []] = parse(line, { delimiter, recordDelimiter: ['\r\n', '\n', '\r'], relaxColumnCount: true })
    return record.map(toFieldName)
  } catch {
    return undefined
  }
}

/** A header may be written as people do: `Last Name`, `E-MAIL`. */
const toFieldName = (text: string) => text.trim().toLowerCase().replaceAll(/[\s-]+/g, '_')

/** @throws {Problem} `validation_failed` */
function assertColumns (names: readonly string[], rows: RowValidator): void {
  const known = rows.fieldNames
  const first = new Map<string, number>()
  const errors: FieldError[] = []
  for (const [index, name] of names.entries()) {
    if (name === '') continue
    const earlier = first.get(name)
    first.set(name, earlier ?? index)
    if (earlier !== undefined) errors.push(columnError(index, name, 'duplicate', `is in column ${earlier + 1} already`))
    else if (!known.includes(name)) errors.push(unknownColumn(index, name, rows))
    if (errors.length >= limits.importFile.headerErrorsMax) break
  }
  const hasId = rows.idField !== undefined && first.has(rows.idField)
  const missing = hasId ? [] : rows.requiredNames.filter(name => !first.has(name))
  errors.push(...missing.map(name => columnError(undefined, name, 'required', 'is required')))
  if (errors.length === 0) return
  const detail = 'The first row of the file must have the names of the fields, and it has ' +
    `${errors.length === 1 ? 'one error' : `${errors.length} errors`}. No row was imported.`
  throw new Problem('validation_failed', detail, { errors })
}

function unknownColumn (index: number, name: string, rows: RowValidator): FieldError {
  const described = rows.describeUnknown(name)
  if (described !== undefined) return columnError(index, name, described.rule, described.message)
  const similar = findSimilarName(name, rows.fieldNames)
  const hint = similar === undefined ? '' : `: did you mean ${similar}?`
  return columnError(index, name, 'unknown', `is not a known field${hint}`)
}

/** Longest name of a column that a response repeats, in characters. */
const shownNameMaxLength = 256

/** @param index undefined for a column that the file does not have */
function columnError (index: number | undefined, name: string, rule: FieldError['rule'], message: string): FieldError {
  const pointer = index === undefined ? '/columns' : `/columns/${index}`
  return { in: 'body', pointer, field: name.slice(0, shownNameMaxLength), rule, message }
}

/** @param detail must not contain values of the file, which may be personal data */
export const malformedCsv = (detail: string) => new Problem('malformed_csv', detail)
