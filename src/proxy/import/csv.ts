/** Reads the rows of a CSV file (RFC 4180) as its bytes arrive. csv-parse parses the records. */
import { Parser, type CsvError } from 'csv-parse'
import { limits } from '../../config/limits.ts'
import type { Problem } from '../../server/problem.ts'
import type { Violation } from '../validation/schema.ts'
import { HeaderReader, malformedCsv, type CsvHeader } from './csv-header.ts'
import type { ImportRow } from './row.ts'
import type { Column, RowValidator } from './row-validator.ts'
import { TextCheck, type TextFault } from './text-check.ts'

/** The cells of a record, or why a record cannot be used. */
type CsvRecord = { kind: 'cells', cells: readonly string[] } | { kind: 'fault', violation: Violation }

const quoteInCell: Violation = {
  rule: 'format',
  message: 'has a cell with a quote in it: write the cell in quotes, and each quote in it twice',
}

const textFaults: Readonly<Record<TextFault, string>> = {
  'utf-16': 'The file is UTF-16, which Excel calls Unicode Text. Save it as "CSV UTF-8".',
  encoding: 'The file is not UTF-8, but probably Windows-1252. Save it as "CSV UTF-8".',
  nul: 'The file has a NUL character, so it is not a text. Save the sheet as "CSV UTF-8".',
}

/**
 * Yields the rows of a file in order.
 * @throws {Problem} `malformed_csv`, `validation_failed` for the header, `body_too_large` for too many rows, after the
 * rows before the fault
 */
export async function * readCsv (
  source: AsyncIterable<Buffer>, rows: RowValidator, rowMaxBytes: number
): AsyncGenerator<ImportRow> {
  const check = new TextCheck()
  const header = new HeaderReader(rows)
  let records: RecordParser | undefined
  for await (const chunk of source) {
    const { text, fault } = check.write(chunk)
    let bytes = text
    if (records === undefined) {
      const found = header.write(text)
      if (found !== undefined) records = new RecordParser(found.header, rows, rowMaxBytes)
      bytes = found?.rest ?? noBytes
    }
    if (records !== undefined) yield * records.write(bytes)
    if (fault !== undefined) yield * endAtFault(fault, records, rows)
  }
  const fault = check.end()
  if (fault !== undefined) yield * endAtFault(fault, records, rows)
  records ??= new RecordParser(header.end(), rows, rowMaxBytes)
  yield * records.end()
}

const noBytes: Buffer = Buffer.alloc(0)

/** @throws {Problem} `malformed_csv`, after the rows before the fault */
async function * endAtFault (
  fault: TextFault, records: RecordParser | undefined, rows: RowValidator
): AsyncGenerator<ImportRow, never> {
  if (records !== undefined) yield * records.flush()
  throw malformedCsv(`${textFaults[fault]} ${describePosition(records, rows)}`)
}

/** More bytes than csv-parse looks ahead. */
const lookahead = Buffer.alloc(16, 'a')

function describePosition (records: RecordParser | undefined, { count }: RowValidator): string {
  if (records === undefined) return 'The fault is in its header.'
  return `The fault is in row ${count + 1}, near line ${records.line}; nothing from there on was read.`
}

/** Parses and validates the records after the header. */
class RecordParser {
  readonly #parser: Parser
  readonly #columns: readonly Column[]
  readonly #rows: RowValidator
  readonly #rowMaxBytes: number
  /** Records of the bytes that were parsed last. */
  #records: CsvRecord[] = []
  #latestFault: { line: number, column: number, recordCount: number } | undefined
  /** Ends the file: where the next record starts is uncertain. */
  #endedBy: CsvError | undefined

  constructor ({ delimiter, columns }: CsvHeader, rows: RowValidator, rowMaxBytes: number) {
    this.#columns = columns
    this.#rows = rows
    this.#rowMaxBytes = rowMaxBytes
    this.#parser = new Parser({
      delimiter,
      recordDelimiter: ['\r\n', '\n', '\r'],
      skipEmptyLines: true,
      skipRecordsWithEmptyValues: true,
      relaxColumnCount: true,
      maxRecordSize: rowMaxBytes,
      // Cells after these are one cell, whose bytes count. Empty cells would not count.
      ignore_last_delimiters: limits.importFile.columnsMax + 1,
      skipRecordsWithError: true,
      onSkip: error => this.#addFault(error),
      onRecord: (cells: readonly string[]) => {
        this.#records.push({ kind: 'cells', cells })
        return null
      },
    })
    // The error is reported to the callback of the write as well.
    this.#parser.on('error', () => {})
  }

  /** The line that was parsed last, as csv-parse counts: a CR LF in a cell counts twice. */
  get line (): number {
    return this.#parser.info.lines
  }

  async * write (bytes: Buffer): AsyncGenerator<ImportRow> {
    const { sliceBytes } = limits.importFile
    for (let start = 0; start < bytes.length; start += sliceBytes) {
      await new Promise(resolve => this.#parser.write(bytes.subarray(start, start + sliceBytes), resolve))
      yield * this.#takeRows()
      this.#throwIfEnded()
    }
  }

  async * end (): AsyncGenerator<ImportRow> {
    await new Promise<void>(resolve => this.#parser.end(resolve))
    yield * this.#takeRows()
    this.#throwIfEnded()
  }

  /** Yields the rows that are complete, if nothing more will be written. */
  async * flush (): AsyncGenerator<ImportRow> {
    await new Promise(resolve => this.#parser.write(lookahead, resolve))
    yield * this.#takeRows()
  }

  * #takeRows (): Generator<ImportRow> {
    const records = this.#records
    this.#records = []
    for (const record of records) {
      yield record.kind === 'cells'
        ? this.#rows.validateCells(record.cells, this.#columns)
        : this.#rows.reject(record.violation)
    }
  }

  #throwIfEnded (): void {
    if (this.#endedBy !== undefined) throw this.#toProblem(this.#endedBy)
  }

  /**
   * A quote in a cell that does not start with one is an error of its record only. After all other faults it is
   * uncertain where the next record starts, so the file ends there: a row must not be read as part of another one.
   */
  #addFault (error: CsvError | undefined): undefined {
    const { lines: line, records: recordCount } = this.#parser.info
    const column = Number(error?.['index'])
    const latest = this.#latestFault
    const isSameGap = latest?.recordCount === recordCount
    const isAfterLatest = isSameGap && line > latest.line && column > latest.column
    if (error === undefined || error.code !== 'INVALID_OPENING_QUOTE' || isAfterLatest) {
      this.#endedBy = error
      throw new Error('the file cannot be read further', { cause: error })
    }
    // A record may have several such cells in one line.
    const isSameRecord = isSameGap && line === latest.line
    this.#latestFault = { line, column, recordCount }
    if (!isSameRecord) this.#records.push({ kind: 'fault', violation: quoteInCell })
    return undefined
  }

  #toProblem ({ code }: CsvError): Problem {
    const fault = code === 'CSV_MAX_RECORD_SIZE'
      ? `A row has more than ${this.#rowMaxBytes} bytes: a quote may not be closed.`
      : code === 'CSV_QUOTE_NOT_CLOSED'
        ? 'A quote is not closed.'
        : 'A cell has text after its closing quote.'
    return malformedCsv(`${fault} ${describePosition(this, this.#rows)}`)
  }
}
